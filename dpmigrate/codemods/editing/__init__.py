"""How a tree is changed.

``edits``        changes of a whole project, collected and applied to each module in one pass
``nodes``        small changes of nodes that keep the layout around them
``listed``       what stands between the commas of a list
``imports``      the imports of a module
"""
