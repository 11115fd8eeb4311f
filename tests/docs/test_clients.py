"""Clients made from the description: TypeScript compiles, Swift and Kotlin generate without an error.

The tools are npm's openapi-typescript and typescript, and the openapi-generator of PyPI with a Java to run it;
they are fetched into the test's own folder.
"""

import shutil
import subprocess
import sys

import pytest

from romantic.docs.occurrences import API

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

NPM = ("openapi-typescript@7.13.0", "typescript@5.9.3")
GENERATOR = "openapi-generator-cli==7.26.0"
STRICT = ("--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")

APP = """
import type { components, operations } from "./api";

type Initiate = operations["postCallsInitiate"];
const body: Initiate["requestBody"]["content"]["application/json"] = { receiverId: "7c4e1d92", callType: "video" };
export const left = (answer: Initiate["responses"][200]["content"]["application/json"]): number => answer.data.newBalance;
export const name = (answer: operations["postUsersLike"]["responses"][200]["content"]["application/json"]): string | undefined =>
  answer.data.matchUser?.fullName;
export const code = (answer: components["schemas"]["Refusal"]): string => answer.error.code;
export default body;
"""


def run(*command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def typescript(tmp_path_factory, in_ci):
    """A folder with the compiler and the types of the API."""
    if shutil.which("npm") is None and not in_ci:
        pytest.skip("no npm here")
    folder = tmp_path_factory.mktemp("typescript")
    assert run("npm", "install", "--no-audit", "--no-fund", "--prefix", ".", *NPM, folder=folder)[0] == 0
    types = ("node_modules/.bin/openapi-typescript", str(API / "openapi.json"), "-o", "api.d.ts")
    status, said = run(*types, folder=folder)
    assert status == 0, said
    return folder


def compile_(folder, text):
    (folder / "app.ts").write_text(text)
    return run("node_modules/.bin/tsc", *STRICT, "app.ts", "api.d.ts", folder=folder)


def test_typescript_client_compiles(typescript):
    assert compile_(typescript, APP) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("newBalance", "newBalanse"), ('callType: "video"', 'callType: "smoke"'), ("matchUser?.", "matchUser.")],
)
def test_typescript_client_tells_a_mistake(right, wrong, typescript):
    status, said = compile_(typescript, APP.replace(right, wrong))

    assert status != 0
    assert "error TS" in said


@pytest.fixture(scope="module")
def generator(tmp_path_factory, in_ci):
    """The command line of the generator."""
    if shutil.which("java") is None and not in_ci:
        pytest.skip("no Java here")
    folder = tmp_path_factory.mktemp("generator")
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", ".", GENERATOR)
    status, said = run(*pip, folder=folder)
    assert status == 0, said
    (jar,) = folder.rglob("openapi-generator.jar")
    return ("java", "-jar", str(jar))


@pytest.mark.parametrize(("language", "ending"), [("swift6", "swift"), ("kotlin", "kt")])
def test_client_generates_without_an_error(language, ending, generator, tmp_path):
    document = str(API / "openapi-3.0.json")
    status, said = run(
        *generator, "generate", "-g", language, "-i", document, "-o", "client", folder=tmp_path
    )

    assert status == 0, said[-2000:]
    assert [line for line in said.splitlines() if " ERROR " in line or "Exception" in line] == []
    names = {path.stem for path in tmp_path.rglob(f"*.{ending}")}
    assert {"CallsInitiated", "Refusal", "CallsApi" if ending == "kt" else "CallsAPI"} <= names
