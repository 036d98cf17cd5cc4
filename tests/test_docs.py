"""The documents say what the code does."""

import re
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from pixyproxy.core import exceptions
from pixyproxy.core.exceptions import BY_CODE, PixyProxyException
from pixyproxy.schema.errors import INVALID_OPERATION_CODE
from pixyproxy.settings import PREFIX, Settings
from pixyproxy.web.errors import INTERNAL_ERROR_CODE, STATUS
from tests.support.processes import ROOT

CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
ERRORS = (ROOT / "docs/errors.md").read_text()
README = (ROOT / "README.md").read_text()


def configuration_table() -> list[str]:
    """Return the rows that docs/configuration.md must have, one for each setting."""
    return [
        f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def _shown(default: Any) -> str:
    assert default is not PydanticUndefined, "every setting has a default"
    if default is None or default == ():
        return "none"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    assert not isinstance(default, SecretStr)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_every_setting_is_documented_as_it_is() -> None:
    documented = [line for line in CONFIGURATION.splitlines() if line.startswith(f"| `{PREFIX}")]
    assert documented == configuration_table()


def test_every_setting_that_the_readme_names_exists() -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", README)) - {"TEST_MYSQL_URL"}
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("error", BY_CODE.values())
def test_every_error_is_documented_with_its_code_and_status(
    error: type[PixyProxyException],
) -> None:
    assert f"| {STATUS[error]} | `{error.code}` |" in ERRORS
    assert error.__name__ in (exceptions.__doc__ or "")
    assert error.default_message if error.code != "constraint-violation" else True


def test_no_code_stands_for_two_errors() -> None:
    codes = [*BY_CODE, INTERNAL_ERROR_CODE, INVALID_OPERATION_CODE]
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert f"`{code}`" in ERRORS


def test_every_make_target_that_the_documents_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    texts = README + (ROOT / "CONTRIBUTING.md").read_text()
    for target in set(re.findall(r"`make ([a-z-]+)", texts)) | {"run", "test"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_linked_document_exists() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            if not link.startswith("/"):
                assert (document.parent / link).exists(), (document, link)
