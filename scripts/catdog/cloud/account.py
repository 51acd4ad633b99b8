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
from catdog.cloud import Unreachable
from catdog.cloud.instances import NAME

P = ParamSpec("P")
R = TypeVar("R")
Say = Callable[[str], object]  # how progress is told, such as by print

TAG = "catdog:machine"
SIGN_IN = "Sign in again: 'aws login', or 'aws sso login' if that is how you did before."
FREE_PLAN = (
    "your AWS account is on the Free plan, which has no machines with GPUs. Upgrade it to the "
    "Paid plan first, in AWS's Billing console or by 'aws freetier upgrade-account-plan "
    "--account-plan-type PAID --region us-east-1'. Only then ask for a quota."
)
OFFLINE = (errors.EndpointConnectionError, errors.HTTPClientError)
REFUSALS = (errors.BotoCoreError, errors.ClientError, ResponseParserError)  # what boto3 raises


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what AWS's library raises into a `CatDogError` that says what to do."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except OFFLINE as error:
            raise Unreachable(explain(error)) from error
        except REFUSALS as error:
            raise CatDogError(explain(error)) from error

    return wrapper


def explain(error: Exception) -> str:
    """Say in plain words what an error of AWS's library means and what to do."""
    if isinstance(error, errors.NoCredentialsError | errors.PartialCredentialsError):
        return (
            "no AWS credentials were found on this computer. With an account: install the AWS "
            "command line and sign in with 'aws login' (a school's or firm's: 'aws configure "
            "sso'), or set AWS_PROFILE. Never put keys into a notebook or into this folder."
        )
    if isinstance(error, errors.ProfileNotFound):
        return f"{error}. 'aws configure list-profiles' lists those there are."
    if isinstance(error, errors.MissingDependencyException):
        return (
            "signing in by 'aws login' takes a library that is missing here: install the packages "
            "again ('make install')."
        )
    if isinstance(
        error,
        errors.LoginError
        | errors.UnauthorizedSSOTokenError
        | errors.SSOTokenLoadError
        | errors.TokenRetrievalError
        | errors.CredentialRetrievalError,
    ):
        return f"your sign-in to AWS has expired. {SIGN_IN}"
    if isinstance(error, OFFLINE):
        return "AWS could not be reached. Is this computer online, and the region's name right?"
    if not isinstance(error, errors.ClientError):
        return f"AWS's library gave up: {error}"
    code = error.response.get("Error", {}).get("Code", "")
    said = error.response.get("Error", {}).get("Message", str(error))
    if "Expired" in code or code == "TokenRefreshRequired":
        return f"your AWS credentials have expired. {SIGN_IN}"
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure") or (
        code in ("SignatureDoesNotMatch", "InvalidAccessKeyId")
    ):
        return (
            "AWS does not know these credentials. Are they of this account, complete and not "
            "deleted? Some regions have to be enabled for an account first."
        )
    if "AccessDenied" in code or "UnauthorizedOperation" in code:
        return (
            f"your user may not do this ({error.operation_name}). The rights it takes stand in "
            "scripts/aws/policy.json."
        )
    if "Throttl" in code or code == "RequestLimitExceeded":
        return "AWS is asked too often at the moment (other programs count, too). Wait a minute."
    return reason(f"{code}: {said}")


def reason(said: str, family: str = "g", spot: bool = False, vcpus: int = 4) -> str:
    """Recognize what AWS says when it cannot give a machine, and say what to do."""
    if "not eligible for Free Tier" in said:
        return FREE_PLAN
    if re.search(
        r"VcpuLimitExceeded|vCPU (capacity|limit)|(MaxSpotI|Max spot i)nstance ?[Cc]ount", said
    ):
        return (
            "your account's quota for machines with GPUs is too small (a new account's is often "
            f"0). {ask_for_quota(family, spot, vcpus)} It is free, and takes hours to days."
        )
    if is_capacity(said):
        return (
            "AWS has none of these machines free at the moment. Try again later, another --zone, "
            "another region, or another type (catdog aws types)."
        )
    if "IncorrectSpotRequestState" in said:
        return (
            "AWS took the spot machine back; it starts it again by itself once it has one free, "
            "and bills it. To start anew on demand: 'catdog aws down', then 'catdog aws up'."
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


# Quotas on virtual cores, by family and by way of paying: code, and name in AWS's console.
QUOTAS = {
    ("g", False): ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    ("g", True): ("L-3819A6DF", "All G and VT Spot Instance Requests"),
    ("p", False): ("L-417A185B", "Running On-Demand P instances"),
    ("p4", True): ("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
    ("p5", True): ("L-C4BD4855", "All P5 Spot Instance Requests"),
}


def quota_of(family: str, spot: bool) -> tuple[str, str] | None:
    """Return code and name of the quota that counts a family's machines, as far as known."""
    return QUOTAS.get((family[0], spot)) or QUOTAS.get((family[:2], spot))


def ask_for_quota(family: str = "g", spot: bool = False, vcpus: int = 4) -> str:
    url = "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
    code, name = quota_of(family, spot) or ("", "")
    what = f"'{name}', {vcpus} or more" if name else f"{vcpus} virtual cores or more"
    return f"Ask for {what}: {url}/{code}".rstrip("/")


@functools.cache
def _descriptions():
    """The descriptions of AWS's services, read once: they are megabytes."""
    return botocore.session.get_session().get_component("data_loader")


class Account:
    """The reader's AWS account in one region: clients of its services.

    Args:
        region: None takes that of the reader's settings; `otherwise` if they name none.

    Raises:
        CatDogError: no region is wanted, or none has this name.
    """

    def __init__(self, region: str | None = None, otherwise: str | None = None):
        core = botocore.session.get_session()
        core.register_component("data_loader", _descriptions())
        session = boto3.Session(botocore_session=core)
        wanted = region or _own_region(session) or otherwise
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

    def signed_in(self) -> bool:
        """Whether credentials are found; AWS is not asked whether they are good."""
        return self._session.get_credentials() is not None

    def client(self, service: str, region: str | None = None):
        """Return boto3's client of a service."""
        if service not in self._clients:
            quick = service in (
                "freetier",
                "pricing",
                "service-quotas",
            )  # asked by the way: no waiting
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


def named(name: str, region: str | None) -> str:
    """Return the options that name a machine, for the commands that messages suggest.

    Nothing for what is taken without them: the usual name, the region of the reader's settings.
    """
    text = "" if name == NAME else f" --name {name}"
    return text if region in (None, _own_region(boto3.Session())) else f"{text} --region {region}"


def _own_region(session: boto3.Session) -> str | None:
    return os.environ.get("AWS_REGION") or session.region_name


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
