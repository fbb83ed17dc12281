"""The processes that run the script: how they start, what they share and leave behind, how they end.

``plan``, ``preload``, ``launch``   forks of one process that has imported torch; the script in one of them
``stand_ins``, ``footprint``, ``which_opacus``   what it lacks and leaves behind, and its Opacus
``ranks``, ``spawned``, ``lifeline``   several processes, none of which outlives the one that started it
``errors``, ``advice``   how it ended, and what helps
"""
