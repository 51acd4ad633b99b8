"""Each way a start can fail: one clear message, and nothing left that costs money."""

import subprocess

import pytest
from moto.ec2.models.instances import InstanceBackend

from catdog.cloud import cloudformation, instances, planning

VCPU = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the "
    "instance bucket that the specified instance type belongs to. (Service: Ec2, Status Code: "
    "400, Request ID: 0) (RequestToken: 0, HandlerErrorCode: ServiceLimitExceeded)"
)
CAPACITY = (
    "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you "
    "requested (us-east-1a). (Service: Ec2, Status Code: 500, Request ID: 0)"
)


@pytest.fixture
def fail_to_run(monkeypatch):
    """Let the machine itself fail to start, with AWS's words, the first so many times."""
    original = InstanceBackend.run_instances

    def arrange(words, times=1000):
        failures = [words] * times

        def run(*args, **kwargs):
            if failures:
                raise RuntimeError(failures.pop())
            return original(*args, **kwargs)

        monkeypatch.setattr(InstanceBackend, "run_instances", run)

    return arrange


def failed(outcome, *words):
    code, said = outcome
    assert code == 1 and said.count("catdog: ") == 1, said
    assert all(word in said for word in words), said
    assert "Traceback" not in said


def test_no_credentials(up, monkeypatch, left):
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        failed(up(), "no AWS credentials", "aws configure")
    assert not left()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", ("expired", "aws sso login")),
        ("RequestExpired", ("expired",)),
        ("InvalidClientTokenId", ("does not know these credentials",)),
        ("AccessDenied", ("may not do this (GetCallerIdentity)", "README")),
    ],
)
def test_bad_credentials(up, refuse, left, code, words):
    refuse("GetCallerIdentity", code)
    failed(up(), *words)
    assert not left()


def test_offline(catdog, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    failed(catdog("status"), "could not be reached")


def test_regions(catdog, up, monkeypatch, left):
    failed(up("--region", "us-east-17"), "no region called 'us-east-17'", "eu-west-1")
    failed(up("p5.48xlarge", "--region", "eu-west-3"), "eu-west-3 has no")
    failed(up("--zone", "us-east-1z"), "us-east-1z", "These have: us-east-1a")
    assert not left()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    failed(catdog("status"), "no AWS region is named", "--region")


def test_quota_known_beforehand(up, refuse, left):
    refuse("GetServiceQuota", "", answer={"Quota": {"Value": 0.0}})
    failed(up(), "0 virtual cores", "g4dn.xlarge has 4", "quotas/L-DB2E81BA")
    failed(up("--spot"), "quotas/L-3819A6DF")
    assert not left()


def test_quota_large_enough(up, refuse):
    refuse("GetServiceQuota", "", answer={"Quota": {"Value": 4.0}})
    assert up()[0] == 0


def test_quota_found_out_late(up, fail_to_run, left):
    fail_to_run(VCPU)
    failed(up(), "quota", "servicequotas", "Nothing was left behind")
    assert not left()


def test_capacity_of_one_zone_leads_to_the_next(up, fail_to_run, left):
    fail_to_run(CAPACITY, times=1)
    code, said = up()
    assert code == 0, said
    assert "us-east-1a: AWS has none free" in said and "in us-east-1b" in said
    assert len(left()["running"]) == 1 and len(left()["networks"]) == 1


def test_capacity_nowhere(up, fail_to_run, left):
    fail_to_run(CAPACITY)
    failed(up(), "none of these machines free", "another region", "Nothing was left behind")
    assert not left()


def test_other_reasons_are_told_as_they_are(up, fail_to_run, left):
    fail_to_run("Volume of size 75GB is smaller than snapshot 'snap-1', expect size >= 90GB")
    failed(up("--disk", "75"), "--disk", "90GB", "Nothing was left behind")
    fail_to_run("The moon is in the wrong quarter")
    failed(up(), "The moon is in the wrong quarter")
    assert not left()


def test_creation_refused_at_once(up, refuse, left):
    refuse("CreateStack", "AccessDenied")
    failed(up(), "may not do this (CreateStack)")
    assert not left()


def test_interrupted(up, monkeypatch, left):
    def interrupt(account, identity, say):
        monkeypatch.setattr(cloudformation, "_follow", follow)
        raise KeyboardInterrupt

    follow = cloudformation._follow
    monkeypatch.setattr(cloudformation, "_follow", interrupt)
    failed(up(), "stopped before", "Nothing was left behind")
    assert not left()


def half_made(account, status="CREATE_FAILED"):
    from moto.cloudformation.models import cloudformation_backends

    (stack,) = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()
    stack.status = status


def test_half_made_stack(account, catdog, up, left):
    assert up()[0] == 0
    half_made(account)
    failed(up(), "half made", "catdog aws down")
    failed(catdog("stop"), "not whole", "catdog aws down")
    assert "CREATE_FAILED" in catdog("status")[1]
    assert catdog("down", "--yes")[0] == 0
    assert not left()


def test_stack_being_worked_on(account, up):
    assert up()[0] == 0
    half_made(account, "DELETE_IN_PROGRESS")
    failed(up(), "wait a minute")


def test_a_stack_that_cannot_be_deleted(account, catdog, up, refuse):
    assert up()[0] == 0
    half_made(account, "DELETE_FAILED")
    refuse("DeleteStack", "", answer={})
    failed(catdog("down", "--yes"), "could not be deleted whole", "may cost money")


def test_undoing_fails(up, fail_to_run, refuse):
    fail_to_run(VCPU)
    refuse("DeleteStack", "AccessDenied")
    failed(up(), "could not be deleted", "may cost money", "catdog aws down")


def test_what_others_made_is_left_alone(account, catdog, up, left):
    account.client("cloudformation").create_stack(
        StackName="catdog-gpu",
        TemplateBody='{"Resources": {"V": {"Type": "AWS::EC2::VPC", "Properties": '
        '{"CidrBlock": "10.1.0.0/24"}}}}',
    )
    for outcome in (catdog("down", "--yes"), catdog("stop"), up()):
        failed(outcome, "was not made by 'catdog aws'", "--name")
    assert left()["stacks"]


@pytest.mark.parametrize("word", ["stop", "start", "connect"])
def test_nothing_there(catdog, word):
    failed(catdog(word), "no machine catdog-gpu", "catdog aws up")


def test_leftovers_are_found(account, catdog, left):
    ec2 = account.client("ec2")
    tags = [{"Key": "catdog:machine", "Value": "catdog-gpu"}]
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )["VolumeId"]
    failed(catdog("down", "--yes"), volume, "may cost money")
    ec2.delete_volume(VolumeId=volume)
    assert catdog("down", "--yes")[0] == 0


def test_persistent_spot_request_goes_before_the_machine(account, catdog, up, left):
    code, said = up("--spot")
    assert code == 0 and "spot, which AWS may take back" in said
    ec2 = account.client("ec2")
    asked = ec2.request_spot_instances(
        SpotPrice="1",
        Type="persistent",
        LaunchSpecification={"ImageId": "ami-03cf127a", "InstanceType": "g4dn.xlarge"},
    )["SpotInstanceRequests"][0]["SpotInstanceRequestId"]
    ec2.create_tags(Resources=[asked], Tags=[{"Key": "catdog:machine", "Value": "catdog-gpu"}])
    # moto starts a machine for it at once, as AWS does; it is not the stack's
    for reservation in ec2.describe_instances()["Reservations"]:
        for one in reservation["Instances"]:
            if one.get("SpotInstanceRequestId") == asked:
                ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
    code, said = catdog("down", "--yes")
    assert code == 0, said
    states = [one["State"] for one in ec2.describe_spot_instance_requests()["SpotInstanceRequests"]]
    assert "open" not in states and "active" not in states


@pytest.mark.parametrize("name", ["p2.xlarge", "p2.8xlarge", "p2.16xlarge"])
def test_the_articles_machines_are_explained(up, left, name):
    failed(up(name), name, "3.7", "6.0", "tensorflow==2.11.1", "Instead:", "Nothing was started")
    assert not left()


def test_bad_words(catdog, up):
    failed(up("g99.xlarge"), "g99.xlarge", "catdog aws types")
    failed(up("--disk", "10"), "--disk is between 75 and 2000")
    failed(up("--max-hours", "0"), "--max-hours")
    failed(up("--idle-minutes", "1"), "--idle-minutes")
    failed(up("--name", "My Machine"), "small letters")
    failed(up("--access", "ssh", "--from", "0.0.0.0/0"), "one IPv4 address", "nobody else")
    failed(up("--access", "ssh", "--from", "198.51.100.0/24"), "one IPv4 address")
    failed(catdog("send", "no_such_file.zip"), "no_such_file.zip is not there")


def test_own_address_cannot_be_found_out(up, monkeypatch, left):
    monkeypatch.setattr(planning, "WHAT_IS_MY_ADDRESS", "http://127.0.0.1:9")
    failed(up("--access", "ssh"), "--from")
    assert not left()


def test_session_manager_is_missing(up, tmp_path, left):
    (tmp_path / "programs" / "session-manager-plugin").unlink()
    failed(up(), "session-manager-plugin is missing", "--access ssh")
    assert not left()


def test_image_is_missing(up, catdog, account, left):
    account.client("ssm").delete_parameter(Name="/catdog-test/image")
    failed(up(), "no machine image", "--region")


def test_ssh_keys(up, home, tmp_path, left):
    (home / ".ssh").unlink()
    failed(up(), "ssh-keygen -t ed25519", "--key")
    (home / ".ssh").mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "other"], check=True
    )
    failed(up("--key", str(tmp_path / "other")), "ed25519 or rsa")
    assert not left()


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
    monkeypatch.setattr(planning.paths, "ROOT", tmp_path / "clone")
    return git


def test_the_project_has_to_be_somewhere_to_clone_from(clone, tmp_path):
    with pytest.raises(planning.CatDogError, match="not cloned from anywhere"):
        planning.project_source()
    clone("remote", "add", "origin", str(tmp_path))
    with pytest.raises(planning.CatDogError, match="cannot clone from"):
        planning.project_source()
    clone("remote", "set-url", "origin", "git@example.org:someone/project.git")
    with pytest.raises(planning.CatDogError, match="git push"):
        planning.project_source()
    clone("update-ref", "refs/remotes/origin/main", "HEAD")
    address, commit, warnings = planning.project_source()
    assert address == "https://example.org/someone/project.git"
    assert len(commit) == 40 and not warnings
    (tmp_path / "clone" / "file").write_text("two")
    assert "will not be on the machine" in planning.project_source()[2][0]
    clone("remote", "set-url", "origin", "https://me:secret@example.org/someone/project.git")
    assert planning.project_source()[0] == address
    with pytest.raises(planning.CatDogError, match="40 digits"):
        planning.project_source(address, "nonsense")
    with pytest.raises(planning.CatDogError, match="cannot clone"):
        planning.project_source('https://example.org/$(reboot)"', commit)


def test_todays_price_is_said_to_be_so(up, refuse):
    import json

    product = {
        "terms": {
            "OnDemand": {
                "a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.6"}}}}
            }
        }
    }
    refuse("GetProducts", "", answer={"PriceList": [json.dumps(product)]})
    code, said = up()
    assert code == 0 and "$0.600 the machine" in said and "asked 20" in said
    assert instances.PRICES_OF not in said


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
