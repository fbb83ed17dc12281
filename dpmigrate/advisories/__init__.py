"""From private training runs to findings: every advisory of ``rules/``, matched.

``catalogue``    the rule files, read; ``cases`` their ``[match]`` tables
``subjects``, ``event_subjects``   what a finding can be about
``facts``, ``conditions``   what is asked of it, and how
``parameters``   what a run is asked for
``evidence``, ``imported``   which Opacus versions a run can meet, by its pins and by the API that it uses
``doubts``       why a finding is only possible
``matching``, ``pins``, ``retired``   runs, dependency pins, and names that are gone, against the rules
``contexts``     what is so on one way to a call alone
``choice``       what the options make of the rules for one file
``ignores``      ignore comments against the findings
``findings``, ``summary``   what a scan reports: the findings, and the runs that they are about
``fingerprints``   by what a finding is known again
``new_rule``, ``readme_table``, ``show``, ``vocabulary``   tools for who writes a rule

An advisory over facts that are there is data alone: see CONTRIBUTING.md.
"""
