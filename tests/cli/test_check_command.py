"""`pixyproxy check`: a line for each part."""

from pathlib import Path

import pytest

from tests.support.mariadb import free_port
from tests.support.model_server import ModelServer
from tests.support.processes import run


def lines_of(output: str) -> dict[str, tuple[str, str]]:
    """The verdict and the text of each part."""
    return {
        line[:14].strip(): (line[14:21].strip(), line[21:].strip()) for line in output.splitlines()
    }


@pytest.mark.slow
def test_all_is_well_on_the_embedded_defaults(tmp_path: Path) -> None:
    result = run(tmp_path, "check")
    assert result.returncode == 0, result.stderr
    parts = lines_of(result.stdout)
    assert {name: verdict for name, (verdict, _) in parts.items()} == {
        "database": "ok",
        "images": "ok",
        "model server": "ok",
    }
    assert parts["images"][1] == str(tmp_path / "images")


def test_each_part_is_tried_though_others_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("this is no folder")
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    result = run(
        tmp_path,
        "check",
        database_url=f"mysql://somebody:secret-word@127.0.0.1:{free_port()}/x",
        openai_base_url=nobody,
    )
    assert result.returncode == 1
    assert {verdict for verdict, _ in lines_of(result.stdout).values()} == {"wrong"}
    assert len(lines_of(result.stdout)) == 3
    assert f"cannot be reached at {nobody}" in lines_of(result.stdout)["model server"][1]
    assert "secret-word" not in result.stdout + result.stderr


def test_a_model_server_is_asked_for_its_models(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.serve_models("one", "gpt-image-2")
    result = run(tmp_path, "check", openai_base_url=model_server.base_url)
    assert result.returncode == 0, result.stdout
    assert "2 models" in lines_of(result.stdout)["model server"][1]
    assert not model_server.ledger, "nothing was drawn"
    result = run(tmp_path, "check", openai_base_url=model_server.base_url, model="three")
    verdict, told = lines_of(result.stdout)["model server"]
    assert verdict == "wrong"
    assert "three" in told
    assert "one, gpt-image-2" in told


def test_a_base_url_that_leads_nowhere_is_told(tmp_path: Path, model_server: ModelServer) -> None:
    astray = model_server.base_url.removesuffix("/v1")
    result = run(tmp_path, "check", openai_base_url=astray)
    verdict, told = lines_of(result.stdout)["model server"]
    assert verdict == "wrong"
    assert "404 at /models" in told
    assert "/v1" in told
