"""The GPU machine on AWS: started, reached, used from here, stopped."""

from catdog import CatDogError


class Unreachable(CatDogError):
    """The machine, or AWS, does not answer: it may be starting, or the line may be down."""
