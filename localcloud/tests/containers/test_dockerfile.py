"""What of a Dockerfile is read, and what is refused with its line."""

from __future__ import annotations

import pytest
from localcloud.containers.dockerfile import DockerfileError, parse, substitute


def test_stages_and_arguments_are_read() -> None:
    text = """
        # comment
        ARG BASE=python:3.12
        FROM ${BASE} AS build
        COPY --chown=1:1 --from=other a \\
            b
        FROM build
        """
    file = parse("\n".join(line.strip() for line in text.splitlines()), {"BASE": "mine:1"})
    assert [(stage.name, stage.base) for stage in file.stages] == [("build", "mine:1"), ("1", "build")]
    (copy,) = file.stages[0].instructions
    assert copy.flags == {"chown": "1:1", "from": "other"}
    assert copy.value.split() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/${B}", "1/"),
        ("${B:-x$A}", "x1"),
        ("${A:-x}", "1"),
        ("${A:+y}", "y"),
        ("${B:+y}", ""),
        ("\\$A", "$A"),
        ("no variables", "no variables"),
    ],
)
def test_variables_are_substituted_as_docker_does(text: str, value: str) -> None:
    assert substitute(text, {"A": "1"}) == value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("RUN apt-get update && apt-get install -y libgomp1", "apt-get needs a root file system"),
        ("RUN echo a > /etc/motd", "/etc/motd is an absolute path"),
        ("RUN pip install --target=/opt/site x", "/opt/site is an absolute path"),
        ("RUN ['python', '-V']", "isn't JSON"),
        ("RUN --mount=type=secret,id=a true", "--mount"),
        ("RUN --network=none true", "--network"),
        ("ADD https://example.com/x x", "ADD can't be honoured"),
        ("VOLUME /data", "VOLUME can't be honoured"),
        ('SHELL ["/bin/bash", "-c"]', "SHELL can't be honoured"),
        ("RUN cat <<EOF", "here-documents"),
    ],
)
def test_what_cant_be_honoured_is_an_error_that_names_its_line(line: str, problem: str) -> None:
    with pytest.raises(DockerfileError, match="line 3") as raised:
        parse(f"FROM python\n\n{line}\n", {})
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        "RUN python -c \"print('a/b')\" > /dev/null",
        "RUN --mount=type=cache,target=/root/.cache/uv .uv/bin/uv pip install --target site -r requirements.txt",
        "RUN .uv/bin/pip install --index-url https://example.com/simple x",
        "EXPOSE 8080",
        "HEALTHCHECK CMD true",
        "LABEL a=b",
    ],
)
def test_what_does_no_harm_is_accepted(line: str) -> None:
    parse(f"FROM python\n{line}\n", {})
