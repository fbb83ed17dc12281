"""`make mutants`: small faults planted into a module, one at a time; a test must fail for each."""
