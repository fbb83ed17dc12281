"""Tests of dpmigrate; a package so that suites can share the modules beside this file."""
