"""Images: how they are built, found and tried, and what graders that name one can import."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError, InvalidOptions
from runtime import Evaluator, Settings
from runtime.sandbox.images.build import BuildFailed, build, unfinished
from runtime.sandbox.images.check import ImageTrial, check
from runtime.sandbox.images.images import Image, Images
from runtime.sandbox.images.install import reason
from runtime.sandbox.images.manifest import Manifest
from runtime.sandbox.images.recipe import Recipe
from runtime.sandbox.layers import Level
from runtime.sandbox.local_sandbox import LocalSandbox
from tests.runtime.sandbox.wheels import wheel

TOOL = {"tooltip.py": "ANSWER = 42\n", "_tooltip.py": ""}
BUILD_FAILED = """\
  error: subprocess-exited-with-error

  × Building wheel for a did not run successfully.
  │ exit code: 1
  ╰─> [2 lines of output]
      building
      RuntimeError: no compiler
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for a
ERROR: Could not build wheels for a
"""
USES_TOOL = "import tooltip\ndef grade(sample, item): return tooltip.ANSWER"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are tried in the sandbox of Linux")


def make(
    settings: Settings, name: str, *packages: str, replace: bool = False, allow_missing: bool = False
) -> Path:
    recipe = Recipe.of(name, None, packages)
    return build(
        recipe,
        settings,
        python=Path(sys.executable),
        allow_missing=allow_missing,
        replace=replace,
        tell=lambda _: None,
    )


def where(directory: Path) -> Settings:
    return Settings(images_dir=directory / "images", images={}, sandbox_processes=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a machine with one image: `small` has the distribution `tool-tip`."""
    directory = tmp_path_factory.mktemp("small")
    settings = where(directory)
    make(settings, "small", wheel(directory, "tool-tip", "1.2", TOOL))
    return settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a machine without images."""
    return where(tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Callable[..., str]:
    """Makes wheels."""
    return lambda *arguments, **options: wheel(tmp_path, *arguments, **options)


def python(source: str, image: str | None = None) -> dict[str, Any]:
    return {"type": "python", "source": source, **({"image_tag": image} if image else {})}


@pytest.mark.parametrize("level", [Level.FULL, Level.CONTAINER])
async def test_a_grader_has_the_packages_and_the_data_files_of_its_image(
    small: Settings, level: Level
) -> None:
    share = small.images_dir / "small" / "share"
    share.mkdir(exist_ok=True)
    (share / "number").write_text("7")
    reads = "import sys\ndef grade(sample, item): return float(open(sys.prefix + '/share/number').read())"
    sandbox = LocalSandbox(small, highest=level)
    try:
        found = [
            answer
            for source in (USES_TOOL, reads)
            for answer in await sandbox.grade(source, [({}, {})], image="small")
        ]
        if (reached := await sandbox.host.find()).level is not level:
            pytest.skip(f"this machine does not reach level {level}: {reached.refused.get(level)}")
    finally:
        await sandbox.aclose()
    assert found == [42.0, 7.0]


@pytest.fixture(scope="module")
async def evaluator(small: Settings) -> AsyncIterator[Evaluator]:
    """An evaluator of the machine with one image."""
    async with Evaluator(settings=small) as shared:
        yield shared


async def test_a_missing_module_is_said_to_be_in_the_image_that_has_it(evaluator: Evaluator) -> None:
    failure = (await evaluator.grade(python(USES_TOOL), "a")).failure
    assert failure is not None
    assert failure.message == (
        "python: ModuleNotFoundError: No module named 'tooltip'; image_tag 'small' has it"
    )


async def test_a_missing_module_that_no_image_has_is_said_to_be_in_none(evaluator: Evaluator) -> None:
    source = "import tooltop\ndef grade(sample, item): return 1"
    failure = (await evaluator.grade(python(source), "a")).failure
    assert failure is not None
    assert failure.message.endswith("No module named 'tooltop'; no image of this machine has it")


async def test_a_grader_runs_in_its_image_and_not_beside_the_service(evaluator: Evaluator) -> None:
    source = "def grade(sample, item):\n import pydantic\n return 1"
    assert (await evaluator.grade(python(source), "a")).reward == 1.0
    failure = (await evaluator.grade(python(source, "small"), "a")).failure
    assert failure is not None
    assert failure.message.endswith("No module named 'pydantic'; image_tag 'default' has it")


@pytest.mark.parametrize("name", ["smell", "../images/small", ".", "", "small/"])
async def test_an_unknown_image_is_a_mistake_of_the_grader_that_is_found_before_it_grades(
    evaluator: Evaluator, name: str
) -> None:
    with pytest.raises(InvalidOptions) as caught:
        await evaluator.prepare({**python("def grade(sample, item): return 1"), "image_tag": name})
    (problem,) = caught.value.problems
    advice = f"make it with `graders images build {name} --requirements FILE`, or name no image"
    assert problem.path == ("image_tag",)
    assert problem.message == (f"image {name!r} is not on this machine, which has default, small; {advice}")


def test_the_command_for_a_published_image_needs_no_file(small: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"with `graders images build 2025-05-08`, or"):
        Images(small).find("2025-05-08")


def test_the_settings_name_images_besides_and_before_those_that_were_built(small: Settings) -> None:
    elsewhere = small.images_dir / "small"
    images = Images(small.model_copy(update={"images": {"other": elsewhere, "small": Path(sys.prefix)}}))
    assert list(images) == ["default", "other", "small"]
    assert images["other"].modules == {"tooltip", "_tooltip"}
    assert images["small"].directory == Path(sys.prefix)


def test_an_image_whose_name_the_settings_take_is_not_built(settings: Settings) -> None:
    taken = settings.model_copy(update={"images": {"mine": Path("/srv/mine")}})
    with pytest.raises(ConfigurationError, match="the settings say that image 'mine' is /srv/mine"):
        make(taken, "mine", "tool-tip")


def test_a_broken_image_is_named_and_does_not_hide_the_others(small: Settings) -> None:
    images = Images(small.model_copy(update={"images": {"broken": Path("/srv/none")}}))
    with pytest.raises(ConfigurationError, match="image 'broken': /srv/none is no virtual environment"):
        images.find("broken")
    assert images.with_module("tooltip") == ["small"]


def test_an_image_says_when_it_was_built_with_what(small: Settings) -> None:
    manifest = Images(small)["small"].manifest
    assert manifest is not None
    assert manifest.name == "small"
    assert manifest.python == ".".join(map(str, sys.version_info[:3]))
    assert manifest.requirements[0].startswith("tool-tip @ file:///")
    assert (manifest.installed, manifest.missing) == ({"tool-tip": "1.2"}, {})
    assert 0 <= (datetime.now(UTC) - manifest.built).total_seconds() < 3600


def test_an_image_holds_no_programs_but_its_interpreter(small: Settings) -> None:
    programs = {path.name for path in (small.images_dir / "small" / "bin").iterdir()}
    assert programs == {"python", "python3", f"python3.{sys.version_info[1]}"}


@pytest.mark.full
@pytest.mark.parametrize("allow_missing", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_does_not_install_is_named_and_nothing_is_left(
    settings: Settings, local: Callable[..., str], allow_missing: bool
) -> None:
    old = local("old-tool", "1.0", {"old.py": ""}, tag="py2-none-any")
    with pytest.raises(BuildFailed, match="its only package does not install") as caught:
        make(settings, "old", old, allow_missing=allow_missing)
    assert caught.value.missing == {
        old: "old_tool-1.0-py2-none-any.whl is not a supported wheel on this platform."
    }
    assert list(settings.images_dir.iterdir()) == []


@pytest.mark.full
def test_what_does_not_install_is_left_out_when_that_is_allowed(
    settings: Settings, local: Callable[..., str]
) -> None:
    old = local("old-tool", "1.0", {"old.py": ""}, tag="py2-none-any")
    make(settings, "mixed", local("tool-tip", "1.2", TOOL), old, allow_missing=True)
    manifest = Images(settings)["mixed"].manifest
    assert manifest is not None
    assert manifest.installed == {"tool-tip": "1.2"}
    assert manifest.missing == {
        old: "old_tool-1.0-py2-none-any.whl is not a supported wheel on this platform."
    }


@pytest.mark.slow
def test_packages_that_do_not_go_together_are_told_as_that(
    settings: Settings, local: Callable[..., str]
) -> None:
    one, two = local("tool-tip", "1.0", TOOL), local("tool-tip", "2.0", TOOL)
    with pytest.raises(
        BuildFailed, match=r"the packages do not go together: Cannot install tool-tip"
    ) as caught:
        make(settings, "both", one, two, allow_missing=True)
    assert caught.value.missing == {}


@pytest.mark.full
def test_an_image_is_replaced_only_on_demand_and_only_by_a_whole_one(
    small: Settings, settings: Settings, local: Callable[..., str]
) -> None:
    shutil.copytree(small.images_dir / "small", settings.images_dir / "again", symlinks=True)
    with pytest.raises(ConfigurationError, match="image 'again' is there already; --replace builds it again"):
        make(settings, "again", local("tool-tip", "2.0", TOOL))
    with pytest.raises(BuildFailed):
        make(settings, "again", local("old-tool", "1.0", {}, tag="py2-none-any"), replace=True)
    assert Images(settings)["again"].versions == {"tool-tip": "1.2"}
    make(settings, "again", local("tool-tip", "2.0", TOOL), replace=True)
    assert Images(settings)["again"].versions == {"tool-tip": "2.0"}
    assert [path.name for path in settings.images_dir.iterdir()] == ["again"]


@pytest.mark.full
def test_what_a_killed_builder_left_is_no_image_and_one_that_is_built_later_is_found(
    settings: Settings, local: Callable[..., str]
) -> None:
    images = Images(settings)
    left = settings.images_dir / ".half.building"
    (left / "lib").mkdir(parents=True)
    assert (unfinished(settings), list(images)) == ({"half": left}, ["default"])
    make(settings, "half", local("tool-tip", "1.2", TOOL))
    assert (unfinished(settings), list(images)) == ({}, ["default", "half"])
    assert images.find("half").versions == {"tool-tip": "1.2"}


def test_two_do_not_build_one_image_at_once(settings: Settings) -> None:
    place = settings.images_dir / ".busy.building"
    place.mkdir(parents=True)
    builder = os.open(place, os.O_RDONLY)
    fcntl.flock(builder, fcntl.LOCK_EX)
    try:
        with pytest.raises(ConfigurationError, match="image 'busy' is being built by another process"):
            make(settings, "busy", "tool-tip")
    finally:
        os.close(builder)


def test_a_program_that_makes_no_virtual_environment_is_named(settings: Settings) -> None:
    recipe = Recipe.of("odd", None, ["tool-tip"])
    options: dict[str, Any] = {"allow_missing": False, "replace": False, "tell": lambda _: None}
    with pytest.raises(ConfigurationError, match="/bin/true makes no virtual environment"):
        build(recipe, settings, python=Path("/bin/true"), **options)
    with pytest.raises(ConfigurationError, match="/srv/none does not run"):
        build(recipe, settings, python=Path("/srv/none"), **options)


def test_an_interpreter_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "python"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 3.9.2\n")
    old.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"is Python 3\.9\.2; 3\.11 or newer is needed"):
        _ = Image.at("old", tmp_path).version


def test_import_names_come_from_what_a_distribution_installs() -> None:
    modules = Image.here().modules_of
    assert modules["pyyaml"] == {"yaml", "_yaml"}
    assert modules["google-re2"] == {"re2"}
    assert modules["typing-extensions"] == {"typing_extensions"}
    assert modules["numpy"] == {"numpy"}


def test_a_published_image_has_what_is_published() -> None:
    recipe = Recipe.of("2025-05-08", None, [])
    assert len(recipe.requirements) == 16
    assert {"numpy==2.2.4", "rdkit==2024.9.6", "ast-grep-py==0.36.2"} <= set(recipe.requirements)
    assert Recipe.of("2025-05-08", None, ["six"]).requirements == (*recipe.requirements, "six")


def test_a_file_of_requirements_is_read_with_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# what we need\nnumpy==2.2.4  # for speed\n\ntool @ https://example.org/t.whl#sha256=00\n"
    )
    assert Recipe.of("mine", file, ["six>=1"]).requirements == (
        "numpy==2.2.4",
        "tool @ https://example.org/t.whl#sha256=00",
        "six>=1",
    )


@pytest.mark.parametrize(
    ("name", "text", "packages", "message"),
    [
        ("x", None, [], "say what is to be in x, with --requirements FILE or --package NAME==VERSION"),
        ("x", "six\n-r other.txt\n", [], r"r\.txt:2: '-r other\.txt' is no requirement such as"),
        ("x", None, ["six 1"], r"--package 'six 1': 'six 1' is no requirement"),
        ("x", "\xff", [], r"r\.txt cannot be read: 'utf-8' codec"),
        ("../x", None, ["six"], r"'\.\./x' cannot be the name of an image"),
        (".x", None, ["six"], "cannot be the name of an image"),
        ("default", None, ["six"], "'default' cannot be the name of an image"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_reason(
    tmp_path: Path, name: str, text: str | None, packages: list[str], message: str
) -> None:
    file = tmp_path / "r.txt"
    if text is not None:
        file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=message):
        Recipe.of(name, file if text is not None else None, packages)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement a==9 (from versions: 1, 2, 3, 4, 5, 6, 7)\nERROR: No matching distribution found for a==9\n",
            "Could not find a version that satisfies the requirement a==9 (from versions: …, 3, 4, 5, 6, 7)",
        ),
        (
            BUILD_FAILED,
            "Building wheel for a did not run successfully: RuntimeError: no compiler",
        ),
        (
            "ERROR: Cannot install a and b because they conflict.\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io\n",
            "Cannot install a and b because they conflict.",
        ),
        ("it broke\nquite\n", "quite"),
        ("", "exit status 3"),
    ],
)
def test_what_pip_says_is_wrong_is_told_in_a_line(output: str, line: str) -> None:
    assert reason(subprocess.CompletedProcess([], 3, b"", output.encode())) == line


async def checked(settings: Settings, name: str) -> list[ImageTrial]:
    sandbox = LocalSandbox(settings)
    try:
        return await check(sandbox, name)
    finally:
        await sandbox.aclose()


async def test_a_check_imports_what_the_image_is_there_for(small: Settings) -> None:
    assert await checked(small, "small") == [ImageTrial("tool-tip", "", "1.2", ("tooltip",), None)]


@pytest.mark.slow
async def test_the_default_image_has_what_the_project_needs() -> None:
    trials = {trial.name: trial for trial in await checked(Settings(), "default")}
    assert {"numpy", "pydantic", "google-re2"} <= set(trials)
    assert trials["google-re2"].modules == ("re2",)
    assert [trial for trial in trials.values() if trial.problem] == []


@pytest.mark.full
async def test_a_check_tells_what_is_wrong(settings: Settings, local: Callable[..., str]) -> None:
    spoilt = local("spoilt", "1.0", {"spoilt.py": "raise OSError('no libspoilt.so')"})
    directory = make(settings, "wrong", local("tool-tip", "1.2", TOOL), spoilt)
    Manifest(
        name="wrong",
        python="3.11.7",
        requirements=("tool-tip==1.3", "spoilt", "gone==2", "never==3", "other; python_version < '3'"),
        nltk_data=("corpora/names",),
        installed={},
        missing={"never==3": "no wheel"},
        built=datetime.now(UTC),
    ).write(directory)
    *packages, data = await checked(settings, "wrong")
    assert packages == [
        ImageTrial("tool-tip", "==1.3", "1.2", ("tooltip",), "it has another version"),
        ImageTrial("spoilt", "", "1.0", ("spoilt",), "OSError: no libspoilt.so"),
        ImageTrial("gone", "==2", None, (), "it is not installed"),
        ImageTrial("never", "==3", None, (), "no wheel"),
    ]
    assert data.problem == "ModuleNotFoundError: No module named 'nltk'; image_tag 'default' has it"


@pytest.mark.full
async def test_an_image_that_we_did_not_build_is_checked_for_all_that_is_in_it(
    small: Settings, tmp_path: Path
) -> None:
    plain = shutil.copytree(small.images_dir / "small", tmp_path / "plain", symlinks=True)
    (plain / "image.json").unlink()
    settings = small.model_copy(update={"images": {"plain": plain}})
    assert await checked(settings, "plain") == [ImageTrial("tool-tip", "==1.2", "1.2", ("tooltip",), None)]


async def test_a_spoilt_manifest_is_named(small: Settings, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "image.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"image\.json cannot be read"):
        Image.at("spoilt", tmp_path)


@pytest.mark.slow
def test_a_package_is_installed_from_the_index(settings: Settings, tmp_path: Path) -> None:
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path)]
    fetched = subprocess.run([*download, "sqlparse==0.5.3"], capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"no package index: {fetched.stderr.strip().splitlines()[-1]}")
    make(settings, "sql", "sqlparse==0.5.3")
    assert Images(settings)["sql"].versions == {"sqlparse": "0.5.3"}


@pytest.mark.slow
async def test_the_published_image_is_built_and_holds_what_installs(settings: Settings) -> None:
    try:
        make(settings, "2025-05-08", allow_missing=True)
    except BuildFailed as failed:
        pytest.skip(f"{failed}: {failed.missing}")
    manifest = Images(settings)["2025-05-08"].manifest
    assert manifest is not None
    missing = {requirement.partition("==")[0] for requirement in manifest.missing}
    *packages, _, _, _, _, names = await checked(settings, "2025-05-08")
    assert {trial.name for trial in packages if trial.problem} == missing
    assert {trial.modules for trial in packages if not trial.problem} >= {("numpy",), ("pandas",), ("yaml",)}
    assert names.problem is not None
    assert "-m nltk.downloader -d" in names.problem
