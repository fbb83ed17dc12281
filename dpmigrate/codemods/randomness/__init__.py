"""Generators and seeds.

``jobs``         bare generators, and runs that are to be repeatable
``generators``   fresh entropy, or the project's own seed, for a bare generator
``devices``      where a run draws its noise
``seed_generators``   one generator for the noise and one for the loader
"""
