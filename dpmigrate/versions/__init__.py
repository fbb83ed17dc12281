"""Which Opacus versions a project admits: dependency files, locks, notebook installs, git commits."""
