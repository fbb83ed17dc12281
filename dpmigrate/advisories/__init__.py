"""From private training runs to findings: every advisory of ``rules/``, matched.

``catalogue``    the rule files, read; ``cases`` their ``[match]`` tables
``subjects``, ``facts``, ``conditions``   what a finding can be about, what is asked of it, and how
``criteria``     the longest of the facts: whether a criterion gives one loss per example
``evidence``     which Opacus versions a run can meet, by its pins and by the API that it uses
``matching``, ``pins``   runs, and dependency pins, against the rules
``ignores``      ignore comments against the findings
``findings``, ``summary``   what a scan reports: the findings, and the runs that they are about
``new_rule``, ``readme_table``   tools for who writes a rule

An advisory over facts that are there is data alone: see CONTRIBUTING.md.
"""
