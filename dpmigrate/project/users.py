"""Who uses a module: the files that import it, whose environments therefore run it."""

from __future__ import annotations

from dpmigrate.analysis.source.components import imports_in
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.project import Project


def users_of(project: Project, module: ModuleInfo) -> list[str]:
    """The path of a module, and those of the files that import it, directly or not."""
    assert project.program is not None
    group = next((g for g in project.groups if module.key in g.members), None)
    parsed = {key: info for key in (group.members if group else ()) if (info := project.parsed.get(key))}
    for key in parsed.keys() - project.imports.keys():
        project.imports[key] = frozenset(imports_in(project.program.modules, key, parsed[key].source.data))
    reached = {module.key}
    while more := {key for key in parsed if key not in reached and project.imports[key] & reached}:
        reached |= more
    return [module.path, *sorted({parsed[key].path for key in reached & set(parsed)} - {module.path})]
