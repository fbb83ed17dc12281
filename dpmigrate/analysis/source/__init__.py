"""The project's modules as text and trees, before anything is interpreted.

``modules``, ``positions``   modules found by dotted name, parsed on demand; places in them
``tree``, ``once``   LibCST nodes; what only the text of some code says, read once
``components``   which modules have to do with one another
``speaking``     whether code speaks of Opacus, and which imports lead to where a run may be made
``mentions``, ``texts``   the names that a piece of code mentions; words in the texts of modules
``tolerated``    whether a program does without what a release has dropped
"""
