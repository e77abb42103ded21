"""Images are built for real, once for each content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from localcloud.containers.build import Builder
from localcloud.containers.dockerfile import DockerfileError
from localcloud.containers.store import Image, ImageStore


class Docker:
    """One store, one context, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.store = ImageStore(folder / "store")
        self.context = folder / "context"
        self.context.mkdir()
        self.said: list[str] = []

    def write(self, name: str, text: str) -> None:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self, text: str, **arguments: str) -> Image:
        self.said.clear()
        return self.store.image(Builder(self.store, self.context, self.said.append).build(text, arguments=arguments))

    def files(self, image: Image) -> dict[str, str]:
        root = self.store.layer(image.layer)
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


def ran(docker: Docker) -> list[str]:
    return [line for line in docker.said if line.startswith("Step") and "RUN" in line]


def test_copies_go_where_docker_puts_them(docker: Docker) -> None:
    for name in ("a.txt", "b.txt", "package/inner/c.py", "package/d.py"):
        docker.write(name, name)
    image = docker.build(
        "FROM python\nWORKDIR /app\nCOPY a.txt renamed.txt\nCOPY *.txt texts/\nCOPY package package\n"
        "COPY package/d.py /top/\nCOPY . all"
    )
    files = docker.files(image)
    assert files["app/renamed.txt"] == "a.txt"
    assert {
        "app/texts/a.txt",
        "app/texts/b.txt",
        "app/package/inner/c.py",
        "app/package/d.py",
        "top/d.py",
    } <= files.keys()
    assert {"app/all/a.txt", "app/all/package/inner/c.py"} <= files.keys()


def test_commands_run_in_their_folder_with_arguments_and_environment(docker: Docker) -> None:
    image = docker.build(
        "FROM python\nARG GIVEN=default\nARG OTHER=default\nENV MODE=fast\nWORKDIR /app\n"
        "RUN printf '%s %s %s' $GIVEN $OTHER $MODE > out.txt\nCMD [\"python\"]\nLABEL a=b",
        GIVEN="given",
    )
    assert docker.files(image) == {"app/out.txt": "given default fast"}
    assert image.command == ("python",)
    assert image.labels == {"a": "b"}
    assert image.environment["MODE"] == "fast"


def test_an_unchanged_build_runs_nothing_and_gives_the_same_image(docker: Docker) -> None:
    docker.write("in.txt", "1")
    stage = "FROM python AS build\nWORKDIR /w\nCOPY in.txt .\nRUN cp in.txt out.txt\n"
    text = stage + "FROM python\nCOPY --from=build /w/out.txt /out.txt"
    first = docker.build(text)
    assert len(ran(docker)) == 1
    assert docker.build(text) == first
    assert ran(docker) == []
    docker.write("in.txt", "2")
    second = docker.build(text)
    assert second.id != first.id
    assert len(ran(docker)) == 1
    assert docker.files(second) == {"out.txt": "2"}


def test_a_change_behind_a_command_doesnt_run_it_again(docker: Docker) -> None:
    docker.write("requirements.txt", "r")
    docker.write("code.py", "1")
    text = "FROM python\nWORKDIR /w\nCOPY requirements.txt .\nRUN cp requirements.txt installed.txt\nCOPY code.py ."
    docker.build(text)
    docker.write("code.py", "2")
    image = docker.build(text)
    assert ran(docker) == []
    assert docker.files(image)["w/code.py"] == "2"


def test_a_command_that_writes_in_place_leaves_earlier_layers_alone(docker: Docker) -> None:
    docker.write("log.txt", "copied\n")
    before = docker.build("FROM python\nCOPY log.txt .")
    after = docker.build("FROM python\nCOPY log.txt .\nRUN echo more >> log.txt")
    assert docker.files(before) == {"log.txt": "copied\n"}
    assert docker.files(after) == {"log.txt": "copied\nmore\n"}
    assert (docker.context / "log.txt").read_text() == "copied\n"


def test_a_stage_that_nothing_needs_isnt_built(docker: Docker) -> None:
    docker.build("FROM python AS tests\nRUN exit 1\nFROM python\nRUN true")
    assert len(ran(docker)) == 1


def test_a_stage_can_stand_on_another(docker: Docker) -> None:
    image = docker.build("FROM python AS base\nENV A=1\nWORKDIR /w\nRUN echo a > a\nFROM base\nRUN cat a a > b")
    assert docker.files(image) == {"w/a": "a\n", "w/b": "a\na\n"}
    assert image.environment["A"] == "1"
    assert image.working_directory == "/w"


def test_a_failing_command_names_its_line_and_leaves_no_layer(docker: Docker) -> None:
    with pytest.raises(DockerfileError, match=r"line 3: RUN echo why; exit 3: returned a non-zero code: 3"):
        docker.build("FROM python\nRUN true\nRUN echo why; exit 3")
    assert "why" in docker.said
    assert list((docker.store.directory / "work").iterdir()) == []


def test_a_copy_must_find_something_and_stay_inside(docker: Docker) -> None:
    with pytest.raises(DockerfileError, match=r"nothing.txt isn't there"):
        docker.build("FROM python\nCOPY nothing.txt .")
    with pytest.raises(DockerfileError, match="leads out of the build context"):
        docker.build("FROM python\nCOPY ../store .")


def test_the_python_of_a_build_has_no_packages_of_the_developer(docker: Docker) -> None:
    check = "import importlib.util as u; print([n for n in ('boto3', 'pytest') if u.find_spec(n)], file=open('o', 'w'))"
    image = docker.build(f'FROM python\nRUN python -c "{check}"')
    assert docker.files(image) == {"o": "[]\n"}


def test_a_virtual_environment_can_be_made_and_used_within_one_command(docker: Docker) -> None:
    image = docker.build(
        "FROM python\nRUN python -m venv --without-pip .tools && .tools/bin/python -c 'print(1)' > o && rm -r .tools"
    )
    assert docker.files(image) == {"o": "1\n"}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_script_stays_executable(docker: Docker) -> None:
    docker.write("run.sh", "#!/bin/sh\necho ran > o\n")
    (docker.context / "run.sh").chmod(0o755)
    image = docker.build("FROM python\nCOPY run.sh .\nRUN ./run.sh")
    assert docker.files(image)["o"] == "ran\n"
