"""Which Opacus versions a project admits: dependency files, locks, notebook installs, git commits.

``releases``, ``faulty_commits``   sets of versions: every release, and git commits by their behaviour
``specifiers``   version specifiers, in the dialects of pip, Poetry and conda, to such sets
``pin``          what every parser yields
``parsers``      one module for each format of dependency file
``project``      all pins of a project, joined to what governs one source file
``judged``       the release that a verification has run, held against the pins
``edit``         a pin raised, by the smallest change of the text
``companions``   what a release of Opacus requires beside itself
``decoding``     bytes of a dependency file to text and lines, and back
"""
