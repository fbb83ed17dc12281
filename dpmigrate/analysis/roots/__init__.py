"""Where a program is entered, as the world outside does.

``entering``     scripts first, then what nothing calls
``testing``      rows of arguments and fixtures, which pytest gives
``leading``      which functions can lead to private runs
``members``      classes and their methods
``switches``     constants that somebody may flip
``left_out``     calls that make runs and that no root came to
"""
