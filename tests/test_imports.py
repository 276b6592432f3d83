"""What the contracts of import-linter do not say of the imports: no module needs itself, by way of whichever others."""

import graphlib

import grimp


def test_there_is_no_circle_of_imports_not_even_for_type_checkers() -> None:
    graph = grimp.build_graph("graders", "runtime", "service", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError with the circle
    assert (
        order.index("graders.bound_grader") < order.index("graders.context") < order.index("graders.plugin")
    )
