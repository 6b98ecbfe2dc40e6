"""Checks the behaviour of SQS and S3 with boto3 and prints it as comparable JSON.

    sqs_s3.py --sqs URL --s3 URL

Run against two servers, the outputs can be compared key by key: nothing in them depends on time,
ports or generated ids. The checks are the behaviours that a consumer of S3 notifications relies on
or that harm it. The only waits are visibility timeouts of one second.
"""

import argparse
import json
import sys

import s3_checks  # noqa: F401  (importing it registers its checks)
import sqs_checks  # noqa: F401
from services import CHECKS, Services


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sqs", required=True)
    parser.add_argument("--s3", required=True)
    flags = parser.parse_args()
    aws = Services(flags.sqs, flags.s3)
    results = {}
    for function in CHECKS:
        try:
            results[function.__name__] = function(aws)
        except Exception as error:  # one check that cannot run must not hide the others
            results[function.__name__] = f"FAILED: {type(error).__name__}: {error}"
    json.dump(results, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
