"""The reader's AWS account: its regions, what stands in it by this command, its refusals."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import boto3
import botocore.exceptions as errors
import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError

from catdog import CatDogError
from catdog.cloud.instances import NAME

P = ParamSpec("P")
R = TypeVar("R")
Say = Callable[[str], object]  # how progress is told, such as by print

TAG = "catdog:machine"
REFUSALS = (errors.BotoCoreError, errors.ClientError, ResponseParserError)  # what boto3 raises


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what AWS's library raises into a `CatDogError` that says what to do."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except REFUSALS as error:
            raise CatDogError(explain(error)) from error

    return wrapper


def explain(error: Exception) -> str:
    """Say in plain words what an error of AWS's library means and what to do."""
    if isinstance(error, errors.NoCredentialsError | errors.PartialCredentialsError):
        return (
            "no AWS credentials were found on this computer. With an account: install the AWS "
            "command line and run 'aws configure' or 'aws configure sso', or set AWS_PROFILE. "
            "Never put keys into a notebook or into this folder."
        )
    if isinstance(error, errors.ProfileNotFound):
        return f"{error}. 'aws configure list-profiles' lists those there are."
    if isinstance(
        error,
        errors.UnauthorizedSSOTokenError
        | errors.SSOTokenLoadError
        | errors.TokenRetrievalError
        | errors.CredentialRetrievalError,
    ):
        return "your sign-in to AWS has expired. Sign in again: aws sso login"
    if isinstance(error, errors.EndpointConnectionError | errors.HTTPClientError):
        return "AWS could not be reached. Is this computer online, and the region's name right?"
    if not isinstance(error, errors.ClientError):
        return f"AWS's library gave up: {error}"
    code = error.response.get("Error", {}).get("Code", "")
    said = error.response.get("Error", {}).get("Message", str(error))
    if "Expired" in code or code == "TokenRefreshRequired":
        return (
            "your AWS credentials have expired. Sign in again ('aws sso login'), or copy new ones."
        )
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure") or (
        code in ("SignatureDoesNotMatch", "InvalidAccessKeyId")
    ):
        return (
            "AWS does not know these credentials. Are they of this account, complete and not "
            "deleted? Some regions have to be enabled for an account first."
        )
    if "AccessDenied" in code or "UnauthorizedOperation" in code:
        return (
            f"your user may not do this ({error.operation_name}). scripts/aws/README.md lists the "
            "rights it takes."
        )
    return reason(f"{code}: {said}")


def reason(said: str) -> str:
    """Recognize what AWS says when it cannot give a machine, and say what to do."""
    if re.search(
        r"VcpuLimitExceeded|vCPU (capacity|limit)|(MaxSpotI|Max spot i)nstance ?[Cc]ount", said
    ):
        return (
            "your account's quota for machines with GPUs is too small (a new account's is often "
            f"0). {ask_for_quota()} It is free, and takes hours to days."
        )
    if is_capacity(said):
        return (
            "AWS has none of these machines free at the moment. Try again later, another --zone, "
            "another region, or another type (catdog aws types)."
        )
    if "IncorrectSpotRequestState" in said:
        return (
            "AWS took the spot machine back; it starts it again by itself once it has one free. "
            "To start anew on demand: 'catdog aws down', then 'catdog aws up'."
        )
    if "smaller than snapshot" in said:
        return f"the disk is smaller than the image: name a larger one with --disk. ({said})"
    if "maximum number of VPCs" in said:
        return (
            "your account has as many networks (VPCs) in this region as it may: delete one that "
            "nobody uses, or take another --region."
        )
    return said


def is_capacity(said: str) -> bool:
    return bool(
        re.search(
            r"Insufficient\w*Capacity|sufficient [\w.]+ capacity|no Spot capacity|"
            r"not supported in your requested Availability Zone",
            said,
        )
    )


def ask_for_quota(code: str | None = None) -> str:
    where = f"/{code}" if code else ""
    return (
        "Ask for more: https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
        f"{where}"
    )


@functools.cache
def _descriptions():
    """The descriptions of AWS's services, read once: they are megabytes."""
    return botocore.session.get_session().get_component("data_loader")


class Account:
    """The reader's AWS account in one region: clients of its services.

    Raises:
        CatDogError: no region is wanted, or none has this name.
    """

    def __init__(self, region: str | None = None):
        core = botocore.session.get_session()
        core.register_component("data_loader", _descriptions())
        session = boto3.Session(botocore_session=core)
        wanted = region or os.environ.get("AWS_REGION") or session.region_name
        if not wanted:
            raise CatDogError(
                "no AWS region is named: add --region, such as --region us-east-1, or set "
                "AWS_REGION."
            )
        known = [
            r
            for part in session.get_available_partitions()
            for r in session.get_available_regions("ec2", part)
        ]
        if wanted not in known:
            raise CatDogError(
                f"AWS has no region called {wanted!r}. Some that there are: us-east-1 (Virginia), "
                "us-west-2 (Oregon), eu-west-1 (Ireland), eu-central-1 (Frankfurt), "
                "ap-northeast-1 (Tokyo)."
            )
        self.region = wanted
        self._session = session
        self._clients: dict = {}

    def client(self, service: str, region: str | None = None):
        """Return boto3's client of a service."""
        if service not in self._clients:
            quick = service in ("pricing", "service-quotas")  # asked by the way: no waiting
            config = Config(
                connect_timeout=5 if quick else 15,
                read_timeout=10 if quick else 60,
                retries={"total_max_attempts": 1} if quick else {"mode": "standard"},
            )
            self._clients[service] = self._session.client(
                service, region or self.region, config=config
            )
        return self._clients[service]

    @property
    def ec2(self):
        return self.client("ec2")

    @property
    def stacks(self):
        return self.client("cloudformation")


def stack_name(name: str) -> str:
    """Return the stack's name of a machine's.

    Raises:
        CatDogError: the name has other signs than letters, digits and hyphens.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise CatDogError(
            f"a machine's name is made of small letters, digits and hyphens: not {name!r}."
        )
    return f"catdog-{name}"


def named(name: str) -> str:
    """Return the option that names a machine, for the commands that messages suggest."""
    return "" if name == NAME else f" --name {name}"


def find_stack(account: Account, stack: str) -> dict | None:
    """Return what AWS knows of a stack by name or id; None if it is not there.

    Raises:
        CatDogError: a stack of this name is there, but was not made by this command.
    """
    try:
        (found,) = account.stacks.describe_stacks(StackName=stack)["Stacks"]
    except errors.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if found["StackStatus"] == "DELETE_COMPLETE":
        return None
    if TAG not in {tag["Key"] for tag in found.get("Tags", [])}:
        raise CatDogError(
            f"the stack {stack} was not made by 'catdog aws' and is left alone: take another "
            "--name."
        )
    return found
