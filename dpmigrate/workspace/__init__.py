"""Files on disk to text and back: which files, reading, notebooks, suppressions, atomic writes.

``discover``, ``listing``, ``gitignore``, ``names``   PATHs to the files of the whole project
``roots``        where a project begins
``config``, ``settings``   ``[tool.dpmigrate]`` of a pyproject.toml, and which one governs a file
``reading``      which files hold telling bytes
``source``, ``notebook``, ``notebook_json``, ``magics``, ``written``   one file as Python text, and back
``parse``        text to a LibCST tree, the only place where LibCST is imported here, when a file is parsed
``suppressions`` ignore comments
``stretches``    where two texts differ
``errors``       what can go wrong with files
``transaction``  many files written, all or none
"""
