"""The criterion of an upgraded run: found or built, given to ``make_private``, used as it comes back.

``upgraded``     the recipe: which of these it is
``wrapping``     what all of them share, and what each returns
``handover``     what the call is given, and the way of what it returns
``own_object``, ``rebuilt``   the project's, by its variable, or another one like it
``kept``, ``own``   where it is kept, and whether it will do
``held``, ``inline``   held by an object, or made among the arguments of a call
``by_caller``    the own of each caller of the function that makes the run
``given``        whether the loop's loss is what the given one computes
``functional``, ``classes``   a function for which a class of ``torch.nn`` stands
``unconditional``, ``other_modes``   where both ways of a condition, and other modes, come by
``of_each_model`` where one serves several private models
``one_for_each`` where a loop makes several
``among_others`` where they are collected, each with its criterion
``in_parallel``, ``by_holder``   where models, optimizers and criteria have a collection, or a member, each
"""
