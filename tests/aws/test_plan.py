"""What is looked at before anything is made: the project, the types and their prices."""

import datetime
import subprocess

import pytest
from pretended import failed, product

from catdog import CatDogError
from catdog.cloud import instances, source
from catdog.core import paths


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone of a project, with one commit that has been pushed."""

    def git(*words):
        subprocess.run(["git", *words], cwd=tmp_path / "clone", check=True, capture_output=True)

    (tmp_path / "clone").mkdir()
    git("init", "-q", "-b", "main")
    git("config", "user.email", "someone@example.org")
    git("config", "user.name", "Someone")
    (tmp_path / "clone" / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(paths, "ROOT", tmp_path / "clone")
    return git


def test_the_project_has_to_be_somewhere_to_clone_from(account, clone, tmp_path, monkeypatch):
    with pytest.raises(CatDogError, match="not cloned from anywhere"):
        source.project()
    clone("remote", "add", "origin", str(tmp_path))
    with pytest.raises(CatDogError, match="cannot clone from"):
        source.project()
    clone("remote", "set-url", "origin", "git@example.org:someone/project.git")
    with pytest.raises(CatDogError, match="no commit of this folder is known to be at"):
        source.project()
    clone("update-ref", "refs/remotes/origin/main", "HEAD")
    address, commit, warnings = source.project()
    assert address == "https://example.org/someone/project.git"
    assert len(commit) == 40 and not warnings
    (tmp_path / "clone" / "file").write_text("two")
    assert "will not be on the machine" in source.project()[2][0]
    for secret in ("https://me:secret@", "https://me:sec@ret@"):
        clone("remote", "set-url", "origin", f"{secret}example.org/someone/project.git")
        assert source.project()[0] == address
    clone("remote", "set-url", "origin", "http://me:secret@example.org/someone/project.git")
    with pytest.raises(CatDogError) as refused:
        source.project()
    assert "secret" not in str(refused.value)
    clone("remote", "set-url", "origin", address)
    with pytest.raises(CatDogError, match="40 digits"):
        source.project(address, "nonsense")
    with pytest.raises(CatDogError, match="cannot clone"):
        source.project('https://example.org/$(reboot)"', commit)
    monkeypatch.setenv("PRIVATE", "128")
    with pytest.raises(CatDogError, match="it is private, or not there. Name a public"):
        source.project()


def test_who_cannot_push_gets_what_was_pushed(account, clone, tmp_path):
    """A reader's own commits, on a clone of somebody else's project."""
    clone("remote", "add", "origin", "https://example.org/someone/project.git")
    clone("update-ref", "refs/remotes/origin/main", "HEAD")
    pushed = source.project()[1]
    for text in ("two", "three"):
        (tmp_path / "clone" / "file").write_text(text)
        clone("commit", "-q", "-a", "-m", text)
    _, commit, (warning,) = source.project()
    assert commit == pushed
    assert f"your own commits since {pushed[:10]} are not at" in warning
    assert "'git push' first if you may" in warning and "catdog aws send" in warning


def test_todays_price_is_said_to_be_so(up, refuse):
    refuse("GetProducts", "", answer={"PriceList": [product("g4dn.xlarge", "0.6")]})
    code, said = up()
    assert code == 0 and "$0.600 the machine" in said and "asked 20" in said
    assert instances.PRICES_OF not in said


def described(name, gpu, gpus, mib, arch="x86_64", **more):
    """An instance type as describe-instance-types tells it."""
    device = {
        "Name": gpu,
        "Manufacturer": "NVIDIA",
        "Count": gpus,
        "MemoryInfo": {"SizeInMiB": mib},
    }
    return {
        "InstanceType": name,
        "GpuInfo": {"Gpus": [{**device, **more}]},
        "ProcessorInfo": {"SupportedArchitectures": [arch]},
        "VCpuInfo": {"DefaultVCpus": 16},
        "MemoryInfo": {"SizeInMiB": 262_144},
    }


TODAY = [
    described("p5.4xlarge", "H100", 1, 81_920),
    described("g7e.2xlarge", "RTX PRO Server 6000", 1, 97_871),
    described("g4dn.xlarge", "T4", 1, 16_384),
    described("g5g.xlarge", "T4g", 1, 16_384, "arm64"),
    described("g6f.large", "L4", 1, 3_072, GpuPartitionSize=0.125),
    described("g6.4xlarge", "L4", 1, 22_888),  # whose price AWS does not tell here
    {"InstanceType": "g4ad.xlarge", "GpuInfo": {"Gpus": []}},
]
PRICES = [
    product("p5.4xlarge", "6.88"),
    product("g7e.2xlarge", "3.36"),
    product("g4dn.xlarge", "0.6"),
]


def test_types_are_those_of_today(catdog, refuse):
    refuse("DescribeInstanceTypes", "", answer={"InstanceTypes": TODAY})
    refuse("GetProducts", "", answer={"PriceList": PRICES})
    code, said = catdog("types")
    assert code == 0, said
    names = [line.split()[0] for line in said.splitlines()[1:-1]]
    assert names == ["g4dn.xlarge", "g7e.2xlarge", "p5.4xlarge"]  # by price, whole, with a price
    assert "too new for today's TensorFlow" in said.splitlines()[2]
    assert f"us-east-1, asked of AWS {datetime.date.today()}" in said


@pytest.mark.parametrize("way", ["not signed in", "refused"])
def test_types_fall_back_on_the_table(catdog, refuse, monkeypatch, way):
    refuse("DescribeInstanceTypes", "UnauthorizedOperation")
    if way == "not signed in":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, said = catdog("types")
    assert code == 0 and instances.SOURCE in said and "p5.48xlarge" in said
    assert "AWS was not asked: " in said and ("signed in" in said) is (way == "not signed in")


def test_a_type_that_is_not_in_the_table_is_asked_for(up, refuse, left):
    refuse("DescribeInstanceTypes", "", answer={"InstanceTypes": TODAY[:1]})
    failed(up("p5.4xlarge"), "no instance type with a price is called 'p5.4xlarge'")
    refuse("GetProducts", "", answer={"PriceList": PRICES})
    refuse("DescribeInstanceTypeOfferings", "", answer={"InstanceTypeOfferings": []})
    failed(up("p5.4xlarge"), "us-east-1 has no p5.4xlarge")  # so far it is known
    refuse("DescribeInstanceTypes", "", answer={"InstanceTypes": TODAY[1:2]})
    failed(
        up("g7e.2xlarge"), "compute capability 12.0", "Blackwell; its issue 111958", "g4dn.xlarge"
    )
    assert not left()


def test_table_agrees_with_aws():
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    known = [one for one in instances.TYPES.values() if one.name in INSTANCE_TYPES]
    assert len(known) == len(instances.TYPES) - 3  # AWS's own list has no p2 any more
    for one in known:
        theirs = INSTANCE_TYPES[one.name]
        (gpu,) = theirs["GpuInfo"]["Gpus"]
        assert (gpu["Name"], gpu["Count"]) == (one.gpu, one.gpus)
        assert 0.9 * one.gpu_gb < gpu["MemoryInfo"]["SizeInMiB"] / 1024 <= one.gpu_gb
        assert theirs["VCpuInfo"]["DefaultVCpus"] == one.vcpus
        assert theirs["MemoryInfo"]["SizeInMiB"] == one.memory_gb * 1024
