"""What generators make of the OpenAPI document: clients that call a real process."""

import json
import shutil
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.installing import install_npm_packages, installing, run
from tests.support.programs import require_program
from tests.support.servers import Service

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
KEY = "N7mYcQ4w-tests-only-9fKz"
TOLD = {
    "code": "image-not-found",
    "finished": "succeeded",
    "found": True,
    "listed": True,
    "original": True,
    "small": "89504e47",
    "tags": ["winter"],
}
"""What each client has to tell: `original` is whether asking plainly for the content gave the very
bytes that are kept."""
ANSWERS = ["ImageDetail", "Generation", "Problem"]


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of a virtual environment of the generators' own."""
    folder = FOLDER / ".venv"
    with installing(FOLDER / "requirements.txt", folder) as is_needed:
        if is_needed:
            venv.create(folder, with_pip=True, clear=True)
            pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "install"]
            run(*pip, "--quiet", "--require-hashes", "-r", "requirements.txt", cwd=FOLDER)
    return folder / "bin/python"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The npm packages, from their lock file."""
    return install_npm_packages(FOLDER)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A process that all clients call."""
    folder = tmp_path_factory.mktemp("service")
    with Service(folder, api_keys=KEY, generator="sketch") as service:
        yield service


@pytest.fixture
def document(service: Service, tmp_path: Path) -> Path:
    """The service's document."""
    answer = httpx2.get(f"{service.origin}/openapi.json", trust_env=False)
    path = tmp_path / "openapi.json"
    path.write_bytes(answer.content)
    return path


def told_by(output: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(output)
    # It may have begun, or even ended, before anybody listened.
    assert 1 <= told.pop("events") <= 3
    return told


def test_openapi_generator_makes_a_client_that_works(
    python: Path, service: Service, document: Path, tmp_path: Path
) -> None:
    require_program("java")
    generator = python.with_name("openapi-generator-cli")
    options = ["-i", document, "-g", "python", "-o", "made"]
    global_ = "models,apis,supportingFiles,apiTests=false,modelTests=false"
    run(
        *(generator, "generate", *options, "--global-property", global_),
        "--additional-properties=packageName=pixy",
        cwd=tmp_path,
    )
    script = FOLDER / "call_by_openapi_generator.py"
    output = run(
        *(python, script, service.origin, KEY), cwd=tmp_path, PYTHONPATH=str(tmp_path / "made")
    )
    assert told_by(output) == TOLD | {"answers": ANSWERS}


def test_openapi_python_client_leaves_nothing_out_and_works(
    python: Path, service: Service, document: Path, tmp_path: Path
) -> None:
    said = run(
        *(python.with_name("openapi-python-client"), "generate", "--path", document),
        *("--meta", "none", "--output-path", "pixy_client"),
        cwd=tmp_path,
        PATH=str(python.parent),  # ruff, which it calls
    )
    assert "WARNING" not in said
    script = FOLDER / "call_by_openapi_python_client.py"
    output = run(*(python, script, service.origin, KEY), cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert told_by(output) == TOLD | {"answers": ANSWERS}


def test_openapi_typescript_types_what_openapi_fetch_gets(
    node_modules: Path, service: Service, document: Path, tmp_path: Path
) -> None:
    node = require_program("node")
    (tmp_path / "node_modules").symlink_to(node_modules)
    for name in ("call.ts", "tsconfig.json", "package.json"):
        shutil.copy(FOLDER / name, tmp_path)
    types = node_modules / "openapi-typescript/bin/cli.js"
    run(node, types, document, "-o", "api.d.ts", cwd=tmp_path)
    run(node, node_modules / "typescript/bin/tsc", cwd=tmp_path)
    told = told_by(run(node, "call.js", service.origin, KEY, cwd=tmp_path))
    assert told == TOLD | {"faults": 0}


def test_the_lock_files_name_no_host() -> None:
    for name in ("package.json", "package-lock.json", ".npmrc", "requirements.txt"):
        assert "://" not in (FOLDER / name).read_text()
