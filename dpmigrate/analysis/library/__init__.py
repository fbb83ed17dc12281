"""What library names mean to the analysis: ``registry`` holds the tables, one module per library fills them.

``dpmigrate.analysis.program`` imports them all. A new library is a new module here and one more
import there.
"""
