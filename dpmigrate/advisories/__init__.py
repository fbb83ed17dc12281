"""From private training runs to findings: every advisory of ``rules/``, matched.

``catalogue``    the rule files, read; ``cases`` their ``[match]`` tables
``subjects``, ``facts``, ``conditions``   what a finding can be about, what is asked of it, and how
``event_subjects``   the names of events as subjects
``parameters``, ``trials``   what a run is asked for; loops that train again
``adaptive_facts``, ``coupling_facts``, ``gradient_facts``, ``loss_facts``, ``loud_facts``,
``optimizing_facts``   facts about clipping, losses and steps
``dealing_facts``, ``parallel_facts``, ``rounds_facts``, ``sampling_facts``   about processes, rounds, loaders
``secure_facts``, ``seed_facts``   about randomness
``evidence``     which Opacus versions a run can meet, by its pins and by the API that it uses
``doubts``       why a finding is only possible
``matching``, ``pins``, ``retired``   runs, dependency pins, and names that are gone, against the rules
``choice``       what the options make of the rules for one file
``ignores``      ignore comments against the findings
``findings``, ``summary``   what a scan reports: the findings, and the runs that they are about
``fingerprints``   by what a finding is known again
``new_rule``, ``readme_table``, ``show``   tools for who writes a rule

An advisory over facts that are there is data alone: see CONTRIBUTING.md.
"""
