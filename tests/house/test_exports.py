"""Public names are exported by hand, and each is documented."""

import importlib
import inspect
import pkgutil

import pytest

import ranvier

PACKAGES = [
    "ranvier",
    *(m.name for m in pkgutil.walk_packages(ranvier.__path__, "ranvier.") if m.ispkg and "_machine" not in m.name),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_lists_its_names_and_has_them(name):
    package = importlib.import_module(name)
    assert package.__doc__
    names = getattr(package, "__all__", [])
    assert len(set(names)) == len(names)
    for exported in names:
        assert hasattr(package, exported), f"{name}.{exported} is listed but absent"


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_is_documented(name):
    package = importlib.import_module(name)
    for exported in getattr(package, "__all__", []):
        thing = getattr(package, exported)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{name}.{exported} has no docstring"


def test_every_neuron_is_a_manual_page():
    from ranvier import neurons

    for exported in neurons.__all__:
        page = inspect.getdoc(getattr(neurons, exported)) or ""
        assert len(page.splitlines()) >= 8, f"{exported}: {page!r}"
        assert "Source" in page or "source" in page, exported
