"""`make fuzz`: inputs that nobody wrote, of several kinds, for as long as one likes.

``seeds``     what they are made of: the fixtures, and the code that Python and LibCST are tested with
``changing``  what is done to a program, to a JSON document and to bytes
``kinds``     each kind: how an input is made, and what must hold of it
``guided``    the readers of bytes once more, led by coverage where atheris is installed
``run``       the kinds in turn, each in processes of their own; what fails is kept, with the reason
"""
