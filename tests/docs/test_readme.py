"""README and docs say what is so: each command that README shows is run, or is listed with the reason why not."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import polars as pl
import pytest

from cellpainting.cellprofiler.environment import CellProfiler
from cellpainting.cli.main import cpb
from cellpainting.errors import InvalidRequest
from cellpainting.jobs import parse_message
from cellpainting.ledger import Cause, State
from tests.conftest import DATA, LOAD_DATA_PIPELINE, REPOSITORY, SPOTS_PIPELINE, write_load_data, write_site
from tests.local.conftest import LocalUp, start_local_up
from tests.worker.jump.small_jump import serving_gallery, serving_release
from tests.worker.profiled_plates import platemap_text, write_backend

README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
PACKAGE = REPOSITORY / "containers" / "worker" / "cellpainting"
PAGES = sorted([README, REPOSITORY / "CONTRIBUTING.md", *DOCS.glob("*.md")])

# tests/local/test_cdk_command_line.py runs them, into an empty local cloud.
NEEDS_AN_ACCOUNT = {
    "cdk bootstrap",
    "cdk deploy network-cpb",
    "cdk deploy batch-cpb",
    "cdk deploy batch-cpb -c storage=fsx",
    "cdk deploy --all -c asleep=true",
    "cdk destroy --all",
}
RUN_ELSEWHERE = {
    "make demo": "tests/examples/test_demo.py runs the script that the target calls",
    "make test": "is this very run",
    "make setup": "comes before this run: `test` depends on it",
    "cpb local up": "the fixture `up` starts it, on a port and a folder of its own",
}
SET_PATH = "export PATH=$PWD/.venv/bin:$PWD/node_modules/.bin:$PATH"
LOOK_AT_TEMPLATES = ("cdk ls", "cdk synth --quiet")
SET_CELLPROFILER = "export CELLPROFILER=$PWD/.cellprofiler/bin/cellprofiler"
LOCAL_RUN = "cpb local run "
# How the blocks of these sections begin.
WHOLE_PLATE, ONE_STAGE, PROFILE = "cpb preflight ", "cpb submit ", "cpb profile "
OWN_CLUSTER, JUMP = SET_CELLPROFILER, "cpb jump metadata "
WITH_AWS = ("aws ", "JOB_LOGS=", "export AWS_BUCKET=", "export SQS_URL=")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def shell_blocks() -> list[list[str]]:
    """README's commands, a list per block."""
    return [block.replace("\\\n", " ").splitlines() for block in blocks(README, "sh")]


def commands() -> list[str]:
    return [command for block in shell_blocks() for command in block]


def block_of(first: str) -> list[str]:
    """The block of commands that starts with a given command."""
    (found,) = [block for block in shell_blocks() if block[0].startswith(first)]
    return found


def shell(script: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run commands as a reader would who followed README: its own PATH line first. Returns what they print."""
    lines = ["set -euo pipefail", f"cd '{REPOSITORY}'", SET_PATH, f"cd '{folder}'", *script]
    ended = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_every_command_is_run_or_has_a_reason() -> None:
    handled = NEEDS_AN_ACCOUNT | set(RUN_ELSEWHERE) | set(LOOK_AT_TEMPLATES) | {SET_PATH}
    for first in (WHOLE_PLATE, ONE_STAGE, PROFILE, OWN_CLUSTER, JUMP):
        handled |= set(block_of(first))
    unknown = [one for one in commands() if one not in handled and not one.startswith((LOCAL_RUN, *WITH_AWS))]
    assert unknown == []
    assert handled <= set(commands())


def test_the_two_commands_do_what_readme_says() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    recipes = dict(re.findall(r"^(demo|test):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    assert "examples/small_plate/demo.py" in recipes["demo"]
    assert "pytest" in recipes["test"]
    assert re.search(r"^test: setup", makefile, re.MULTILINE)


def test_what_the_machine_must_have_is_told_in_the_installer_s_own_words() -> None:
    (lines,) = [block for block in blocks(README, "text") if "Fedora:" in block]
    assert lines in (REPOSITORY / "containers" / "cellprofiler" / "install.sh").read_text()
    assert "apt-get install python3-venv" in (REPOSITORY / "Makefile").read_text()


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Where a reader stands: a plate, the requests of README, the published example's folder, the examples."""
    for name, pipeline in (("my_plate", "analysis.cppipe"), ("ExampleVitraImages", "ExampleVitra.cppipe")):
        write_site(tmp_path / name / "images", "A01")
        (tmp_path / name / pipeline).write_bytes(SPOTS_PIPELINE.read_bytes())
    (tmp_path / "my_plate" / "analysis_load_data.cppipe").write_bytes(LOAD_DATA_PIPELINE.read_bytes())
    (tmp_path / "my_plate" / "illumination.cppipe").write_bytes((DATA / "illum_load_data.cppipe").read_bytes())
    (tmp_path / "my_plate" / "platemap.txt").write_bytes(platemap_text())
    write_load_data(tmp_path / "my_plate" / "load_data.csv", Path("plate1/images"), [("P1", "A01", "1")])
    _, *own_requests = blocks(README, "json")
    for name, request in zip(("plate1.json", "whole.json", "plate.json"), own_requests, strict=True):
        (tmp_path / name).write_text(request)
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    return tmp_path


@pytest.mark.cellprofiler
def test_own_plate_is_measured_uploaded_and_in_place(reader: Path, cellprofiler: CellProfiler) -> None:
    lines = [command for command in commands() if command.startswith(LOCAL_RUN)]
    assert ["--upload" in line for line in lines] == [True, False]
    for line in lines:
        shell([line], reader, {"CELLPROFILER": str(cellprofiler.command)})
        assert "P1_A01_s1_DNA.tif" in (reader / "plate1_results" / "Image.csv").read_text()
        (reader / "plate1_results" / "Image.csv").unlink()
    assert (reader / "cpb-data" / "bucket" / "results" / "plate1" / "Image.csv").exists()


@pytest.fixture
def up(tmp_path: Path, cellprofiler: CellProfiler) -> Iterator[LocalUp]:
    cloud = start_local_up(tmp_path / "cloud", cellprofiler)
    yield cloud
    assert cloud.stop() == 0


@pytest.mark.cellprofiler
def test_aws_commands_work_against_the_local_cloud(reader: Path, up: LocalUp) -> None:
    local, on_aws = block_of("aws s3 sync my_plate"), block_of("export AWS_BUCKET=")
    assert sorted(local + on_aws) == sorted(command for command in commands() if command.startswith(WITH_AWS))
    without_lookups = {name: value for name, value in up.variables.items() if name not in ("AWS_BUCKET", "SQS_URL")}
    # Version 1 of `aws` takes the endpoint of SQS from the option only.
    option = "aws --endpoint-url $AWS_ENDPOINT_URL sqs "
    shell([line.replace("aws sqs ", option) for line in on_aws], reader, without_lookups)
    shell(local[:2], reader, up.variables)
    for request in ("plate1.json", "examples/single_job.json"):
        (run,) = parse_message((reader / request).read_text())
        assert up.summary(run.run_id)["states"]["done"] == 1
    assert "1 done" in shell(local[2:], reader, up.variables)
    assert (reader / "plate1_results" / "Image.csv").exists()


@pytest.mark.cellprofiler
def test_whole_plate_is_checked_sent_watched_and_sent_again(reader: Path, up: LocalUp) -> None:
    brightness = {"A01": 190, "A02": 150, "A03": 110}  # features that no well differs in are not selected
    for well, light in brightness.items():
        write_site(reader / "my_plate" / "images", well, brightness=light)
    wells = [("P1", well, "1") for well in brightness]
    write_load_data(reader / "my_plate" / "load_data.csv", Path("plate1/images"), wells)
    preflight, cost, submit, *later = block_of(WHOLE_PLATE)
    upload, *_ = block_of("aws s3 sync my_plate")
    assert "Spot" in shell([upload, preflight, cost], reader, up.variables)
    printed = shell([submit], reader, up.variables)
    (run,) = parse_message((reader / "whole.json").read_text())
    assert printed.splitlines()[-1] == run.run_id
    printed = shell(later, reader, up.variables)
    assert f"{run.run_id}: complete, 3 image sets" in printed
    assert "no shard failed" in printed
    assert "nothing to send again" in printed
    assert (up.folder / run.job.output / "reports" / "batch1" / "P1.html").exists()


@pytest.mark.cellprofiler
def test_one_stage_of_a_plate_is_measured_and_ingested(reader: Path, up: LocalUp) -> None:
    upload, *_ = block_of("aws s3 sync my_plate")
    printed = shell([upload, *block_of(ONE_STAGE)], reader, up.variables)
    (run,) = parse_message((reader / "plate.json").read_text())
    assert f"{run.run_id}: complete, 1 image sets" in printed
    assert (up.folder / run.job.output / "P1" / "analysis" / "P1-A01-1" / "Image.csv").exists()
    assert "P1: image sets: 1 done" in printed
    assert (reader / "backend" / "P1" / "P1.sqlite").exists()


def test_a_backend_becomes_profiles_and_a_page(tmp_path: Path) -> None:
    write_backend(tmp_path / "workspace" / "backend", "BR00117035", batch="batch1")
    (tmp_path / "platemap.txt").write_bytes(platemap_text())
    printed = shell(block_of(PROFILE), tmp_path)
    assert "6 profiles of 1 plates, 0 not made" in printed
    assert "look at it: BR00117035.html" in printed
    assert (tmp_path / "BR00117035.html").stat().st_size > 50_000


@pytest.mark.cellprofiler
def test_whole_plate_is_measured_without_aws(reader: Path, cellprofiler: CellProfiler) -> None:
    set_cellprofiler, *commands_of_block = block_of(OWN_CLUSTER)
    assert set_cellprofiler == SET_CELLPROFILER  # typed where `make setup` was
    shutil.copytree(reader / "my_plate", reader / "my_bucket" / "plate1")
    printed = shell(commands_of_block, reader, {"CELLPROFILER": str(cellprofiler.command)})
    assert "plate1: complete, 1 image sets; 1 shards: 1 ended" in printed


def test_jump_images_are_chosen_and_fetched(tmp_path: Path, moto_url: str) -> None:
    """From servers that stand in for GitHub and the Gallery; the commands are those of README."""
    metadata, *others = block_of(JUMP)
    (tmp_path / "selection.yml").write_text("keep: {genes: [NAT1]}\nsites_per_well: {ORF: {trt: 2}}\n")
    with serving_gallery(moto_url) as gallery, serving_release(tmp_path / "server") as releases:
        gallery.put_images("P1", "A02")
        environment = {"AWS_ENDPOINT_URL": moto_url, "AWS_EC2_METADATA_DISABLED": "true"}
        printed = shell([f"{metadata} --url {releases}", *others], tmp_path, environment)
    assert "14 wells in, 14 out" in printed
    assert "4 of 4 plates" in printed
    assert "10 files" in printed
    images = tmp_path / "jump" / "images"
    assert len(list(images.rglob("source_4__P1__A02__*.png"))) == 10
    assert len(pl.read_parquet(images / "index" / "*.parquet")) == 2


def test_templates_can_be_looked_at_without_an_account(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    lines = [f"{line} --no-notices --output {tmp_path}/cdk.out" for line in LOOK_AT_TEMPLATES]
    listed = shell([f"cd '{REPOSITORY}'", *lines], tmp_path, home)
    assert [line for line in listed.splitlines() if line.endswith("-cpb")] == [
        "network-cpb",
        "storage-cpb",
        "batch-cpb",
    ]
    assert (tmp_path / "cdk.out" / "batch-cpb.template.json").exists()


def all_commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(all_commands(cpb, "cpb"))


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help_and_a_place_in_the_docs(name: str) -> None:
    assert COMMANDS[name].help
    options = [parameter for parameter in COMMANDS[name].params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    text = "\n".join(page.read_text() for page in PAGES)
    assert name in text
    assert [option.opts[0] for option in options if option.opts[0] not in text] == []


def known_fields() -> list[str]:
    """The fields of requests, as the refusals of an unknown one list them."""
    requests: list[dict[str, object]] = [
        {"pipeline": "p.cppipe", "input": "i", "output": "o"},
        {"job_type": "download_images", "load_data": "l.csv", "output": "o"},
        {"job_type": "build_backend", "analysis": "a", "output": "o", "batch": "b", "plate": "p"},
        {"job_type": "make_profiles", "config": "c.yml"},
        {"job_type": "make_profiles", "backend": "b/p", "platemap": "m.txt", "output": "o"},
        {"job_type": "make_report", "plate": "p", "runs": ["r1"], "output": "o.html"},
        {
            "job_type": "process_plate",
            "load_data": "l.csv",
            "platemap": "m.txt",
            "output": "o",
            "pipelines": {"analysis": "a.cppipe"},
        },
        {"job_type": "process_fovs", "experiment_url": "e.json", "recipe": "r.py", "results": "o"},
        {"job_type": "decode_fovs", "experiment": "e.json", "recipe": "r.py", "output": "o"},
        {"job_type": "merge_fovs", "decoded": "runs/decoding", "output": "o"},
    ]
    known: dict[str, None] = {}
    for request in requests:
        with pytest.raises(InvalidRequest) as refusal:
            parse_message(json.dumps({**request, "no such field": 1}))
        known |= dict.fromkeys(str(refusal.value).partition("the known ones are ")[2].split(", "))
    return [field for field in known if "." not in field]  # of an object's own fields its row tells


@pytest.mark.parametrize("field", known_fields())
def test_field_is_described(field: str) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (DOCS / "requests.md").read_text(), re.MULTILINE)
    assert f"`{field}`" in {name for row in rows for name in row.split(", ")}


def refusals() -> list[tuple[str, str]]:
    """The messages that docs/requests.md shows with their refusal."""
    pattern = r"```json\n([^`]*)```\n\n```text\nrefused: ([^`]*)\n```"
    return re.findall(pattern, (DOCS / "requests.md").read_text())


@pytest.mark.parametrize(("message", "reason"), refusals())
def test_refusal_is_quoted_as_it_is(message: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_message(message)
    assert str(refusal.value) == reason


def test_every_message_of_the_docs_is_refused_as_told_or_accepted() -> None:
    refused = [message for message, _ in refusals()]
    assert len(refused) >= 5
    for message in blocks(DOCS / "requests.md", "json"):
        if message not in refused:
            assert parse_message(message)


def test_run_id_of_the_published_message_is_the_one_that_docs_give() -> None:
    (run,) = parse_message((REPOSITORY / "examples" / "single_job.json").read_text())
    assert f"`{run.run_id}`" in (DOCS / "runs.md").read_text()


def test_every_state_is_described() -> None:
    text = (DOCS / "cellprofiler.md").read_text()
    assert [state for state in State if f"| `{state}` |" not in text] == []


def test_every_cause_is_described() -> None:
    text = (DOCS / "runs.md").read_text()
    assert [cause for cause in Cause if f"| `{cause}` |" not in text] == []


def test_every_variable_of_ours_is_described() -> None:
    text = (DOCS / "cellprofiler.md").read_text()
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    variables = set(re.findall(r"\bCPB_[A-Z_]+", code))
    assert {"CPB_SCRATCH", "CPB_VCPUS"} <= variables
    assert [variable for variable in sorted(variables) if f"| `{variable}` |" not in text] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_between_pages_resolve(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_message_that_readme_shows_is_the_one_that_the_demo_sends() -> None:
    shown, *_ = blocks(README, "json")
    assert shown == (REPOSITORY / "examples" / "small_plate" / "request.json").read_text()


def test_readme_s_pictures_and_numbers_are_the_project_s_own() -> None:
    text = README.read_text()
    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text) == [
        "docs/images/demo_outlines.png",
        "docs/images/demo_page.png",
        "docs/images/architecture.svg",
    ]
    assert "262 cells counted, 262 drawn" in text
    for request in blocks(README, "json")[1:]:
        assert json.loads(request)["output"].startswith("results/")  # not inside the mounted folder
