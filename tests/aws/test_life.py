"""The whole life of a machine, from the command line, against moto's server."""

import pytest

KINDS = ("instances", "disks", "security groups", "key pairs", "roles", "instance profiles")


def test_up_status_stop_start_down_twice(left, catdog, up):
    assert not left()
    code, said = up()
    assert code == 0, said
    assert "g4dn.xlarge" in said and "$0.54 an hour" in said and "2026-09-24" in said
    assert "30 minutes without work, and 8 hours" in said and "$4.34 at most" in said
    assert len(left()) == 9, left()

    code, said = catdog("status")
    assert code == 0 and "running" in said and "g4dn.xlarge" in said
    code, said = up()
    assert code == 1 and "exists already" in said

    code, said = catdog("stop")
    assert code == 0 and "stopped" in said and "$0.26 a day" in said
    code, said = catdog("stop")
    assert code == 0 and "stopped already" in said
    code, said = catdog("connect")
    assert code == 1 and "catdog aws start" in said

    code, said = catdog("start")
    assert code == 0 and "running" in said
    code, said = catdog("start")
    assert code == 0 and "running already" in said

    for _ in range(2):
        code, said = catdog("down", "--yes")
        assert code == 0, said
        assert "Nothing of catdog-gpu is left in us-east-1" in said
        assert all(kind in said for kind in KINDS)
        assert not left()
    code, said = catdog("status")
    assert code == 0 and "No machine catdog-gpu" in said


def test_machines_have_names_and_do_not_touch_each_other(left, catdog, up):
    assert up("--name", "one")[0] == 0
    assert up("--name", "one-more")[0] == 0
    assert len(left()["running"]) == 2
    code, said = catdog("down", "--yes", "--name", "one")
    assert code == 0, said
    assert "running" in catdog("status", "--name", "one-more")[1]
    assert len(left()["running"]) == 1


def test_what_is_made_is_closed(left, up):
    assert up()[0] == 0
    (group,) = left()["groups"]
    assert group["IpPermissions"] == []


def test_ssh_opens_one_address_only_and_takes_no_role(left, catdog, up):
    code, said = up("--access", "ssh", "--from", "198.51.100.7")
    assert code == 0, said
    assert "open to 198.51.100.7/32 only" in said
    (group,) = left()["groups"]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [r["CidrIp"] for r in rule["IpRanges"]] == ["198.51.100.7/32"]
    assert "roles" not in left()


@pytest.mark.parametrize(("hours", "period"), [(8, 300), (23, 300), (24, 3600), (168, 3600)])
def test_alarm_stops_the_machine_after_its_limit_of_hours(left, up, hours, period):
    """CloudWatch looks back a day in steps of 300 s, and a week in steps of an hour."""
    assert up("--max-hours", str(hours))[0] == 0
    (alarm,) = left()["alarms"]
    (machine,) = left()["running"]
    assert alarm["Dimensions"] == [{"Name": "InstanceId", "Value": machine}]
    assert alarm["AlarmActions"] == ["arn:aws:automate:us-east-1:ec2:stop"]
    lasts = alarm["EvaluationPeriods"] * alarm["Period"]
    assert alarm["Period"] == period and lasts <= (86_400 if period == 300 else 604_800)
    assert hours * 3600 <= lasts <= (hours + 1) * 3600


@pytest.mark.parametrize("answer", ["", "n", "no", "maybe"])
def test_nothing_is_started_without_a_yes(left, catdog, monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda question: answer)
    code, said = catdog(
        *("up", "--image", "/catdog-test/image", "--repository", "https://example.org/a/b"),
        *("--commit", "0" * 40),
    )
    assert code == 1 and "nothing was done" in said and "an hour" in said
    assert not left()


def test_down_asks_first(left, catdog, up, monkeypatch):
    up()
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert catdog("down")[0] == 1
    assert left()["running"]
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    assert catdog("down")[0] == 0
    assert not left()


def test_another_address_is_let_in_instead(left, catdog, up):
    assert up("--access", "ssh", "--from", "198.51.100.7")[0] == 0
    for _ in range(2):
        code, said = catdog("allow", "--from", "198.51.100.8")
        assert code == 0 and "lets in 198.51.100.8/32" in said
        (group,) = left()["groups"]
        (rule,) = group["IpPermissions"]
        assert [r["CidrIp"] for r in rule["IpRanges"]] == ["198.51.100.8/32"]
    assert catdog("down", "--yes")[0] == 0
    assert up()[0] == 0
    code, said = catdog("allow", "--from", "198.51.100.8")
    assert code == 1 and "through Session Manager" in said
    (group,) = left()["groups"]
    assert group["IpPermissions"] == []
