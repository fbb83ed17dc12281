"""The processes that run the script: how they start, what they share and leave behind, how they end.

``plan``, ``preload``   forks of one process that has imported torch and Opacus
``launch``       the script in one of them; ``lifeline`` none outlives the one that started it
``stand_ins``, ``footprint``, ``which_opacus``   what it lacks and leaves behind, and its Opacus
``ranks``, ``spawned``   several processes
``errors``, ``advice``, ``pins``   how it ended, and what helps
"""
