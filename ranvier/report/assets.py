"""The files in ``page/`` that make a page: templates, style and scripts, put into it whole."""

import base64
import hashlib
from importlib.metadata import PackageNotFoundError, version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, *, script: str, page: dict[str, object]) -> str:
    """Render a template that holds all it needs.

    It gets ``page``, our ``style``, the named ``script`` with its ``script_hash`` (no other script may run in the
    page), and the ``version`` of ranvier.
    """
    environment = Environment(
        loader=PackageLoader("ranvier.report", "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text, style = (_asset(environment, name) for name in (script, "style.css"))
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return environment.get_template(template).render(
        **page, style=style, script=text, script_hash=f"sha256-{digest}", version=_version()
    )


def _asset(environment: Environment, name: str) -> Markup:
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0].strip())  # noqa: S704 # our own file


def _version() -> str:
    try:
        return version("ranvier")
    except PackageNotFoundError:
        return ""
