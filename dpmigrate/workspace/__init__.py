"""Files on disk to text and back: which files, reading, notebooks, suppressions, atomic writes.

``discover``, ``listing``, ``tracked``, ``gitignore``, ``glob``, ``names``   PATHs to files
``roots``        where a project begins
``config``, ``settings``, ``toml``   ``[tool.dpmigrate]`` of a pyproject.toml, and which one governs a file
``reading``      which files hold telling bytes
``source``, ``notebook``, ``notebook_json``, ``magics``, ``export``, ``written``   a file as Python, and back
``core_patch``   the file that ``fix --strategy patch`` puts into a project, known again
``parse``, ``pieces``   text to a LibCST tree, which is imported here alone, when a file is parsed
``stack``        room for trees that are deep
``suppressions`` ignore comments
``stretches``    where two texts differ
``errors``       what can go wrong with files
``transaction``  many files written, all or none
``private``      folders and files that processes of one user hand each other
"""
