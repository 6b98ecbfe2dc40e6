#!/usr/bin/env python3
"""Writes CloudTrail log files in the format of delivered ones, from invented data only.

    make_samples.py --out DIR [--records N] [--files N]

    DIR/AWSLogs/111122223333/CloudTrail/us-east-1/2026/…/*.json.gz   the log files
    DIR.expected.txt                                                 eventID of every IAM certificate event

Without --records: the 300 records that are committed as examples/cloudtrail (each of the twelve events,
once with success and once denied; decoys; one file of two gzip members). The same arguments give the
same records. The certificates are examples/certificates/*.pem: made with openssl for example.com, their
keys deleted. Standard library only.
"""
import argparse
import gzip
import json
import pathlib
import random
import time

ACCOUNT = "111122223333"
REGION = "us-east-1"
START = 1773568800  # 2026-03-15T10:00:00Z
CERTIFICATES = pathlib.Path(__file__).resolve().parent / "certificates"
SERVER, CHAIN, SIGNING = ((CERTIFICATES / f"{name}.pem").read_text() for name in ("server", "chain", "signing"))
NAMES = ("www.example.com", "api.example.com", "vpn-2026")
USERS = ("alice", "bob", "carol")
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def uuid(chance):
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def identifier(chance, prefix, length):
    return prefix + "".join(chance.choices(BASE32, k=length - len(prefix)))


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def iam_date(seconds):
    """A date as IAM writes it, with a narrow no-break space before AM and PM."""
    date = time.gmtime(seconds)
    return time.strftime(f"%b {date.tm_mday}, %Y, {date.tm_hour % 12 or 12}:%M:%S\u202f%p", date)


def arn(kind):
    return f"arn:aws:iam::{ACCOUNT}:{kind}"


def iam_user(chance):
    name = chance.choice(USERS)
    return {"type": "IAMUser", "principalId": identifier(chance, "AIDA", 21), "arn": arn(f"user/{name}"),
            "accountId": ACCOUNT, "accessKeyId": identifier(chance, "AKIA", 20), "userName": name}


def assumed_role(chance):
    role, session = "cert-rotation", chance.choice(USERS)
    principal = identifier(chance, "AROA", 21)
    issuer = {"type": "Role", "principalId": principal, "arn": arn(f"role/{role}"), "accountId": ACCOUNT, "userName": role}
    attributes = {"creationDate": iso(START - 600), "mfaAuthenticated": "false"}
    return {"type": "AssumedRole", "principalId": f"{principal}:{session}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}", "accountId": ACCOUNT,
            "accessKeyId": identifier(chance, "ASIA", 20),
            "sessionContext": {"sessionIssuer": issuer, "attributes": attributes}}


def server_certificate(name, user, at, chance):
    """Request and response of an operation on a server certificate."""
    which = chance.choice(NAMES)
    request = {"serverCertificateName": which}
    response = None
    if name == "UploadServerCertificate":
        path = "/cloudfront/"
        request |= {"certificateBody": SERVER, "certificateChain": CHAIN, "path": path,
                    "tags": [{"key": "team", "value": "edge"}]}
        metadata = {"path": path, "serverCertificateName": which, "serverCertificateId": identifier(chance, "ASCA", 21),
                    "arn": arn(f"server-certificate{path}{which}"), "uploadDate": iam_date(at),
                    "expiration": iam_date(at + 397 * 86400)}
        response = {"serverCertificateMetadata": metadata, "tags": request["tags"]}
    elif name == "UpdateServerCertificate":
        request |= {"newPath": "/retired/", "newServerCertificateName": f"{which}-old"}
    elif name == "TagServerCertificate":
        request |= {"tags": [{"key": "owner", "value": "security"}]}
    elif name == "UntagServerCertificate":
        request |= {"tagKeys": ["owner"]}
    elif name == "ListServerCertificates":
        request = {"pathPrefix": "/cloudfront/"}
    return request, response, arn(f"server-certificate/{which}")


def signing_certificate(name, user, at, chance):
    """Request and response of an operation on a user's signing certificate."""
    request = {"userName": user}
    response = None
    if name == "UploadSigningCertificate":
        request |= {"certificateBody": SIGNING}
        response = {"certificate": {"userName": user, "certificateId": identifier(chance, "", 32),
                                    "certificateBody": SIGNING, "status": "Active", "uploadDate": iam_date(at)}}
    elif name != "ListSigningCertificates":
        request |= {"certificateId": identifier(chance, "", 32)}
    if name == "UpdateSigningCertificate":
        request |= {"status": "Inactive"}
    return request, response, f"user {user}"


OPERATIONS = {
    "UploadServerCertificate": server_certificate, "UpdateServerCertificate": server_certificate,
    "DeleteServerCertificate": server_certificate, "GetServerCertificate": server_certificate,
    "ListServerCertificates": server_certificate, "TagServerCertificate": server_certificate,
    "UntagServerCertificate": server_certificate, "ListServerCertificateTags": server_certificate,
    "UploadSigningCertificate": signing_certificate, "UpdateSigningCertificate": signing_certificate,
    "DeleteSigningCertificate": signing_certificate, "ListSigningCertificates": signing_certificate,
}


def record(chance, at, source, name, identity, **fields):
    """A management event with everything that CloudTrail always writes."""
    common = {"eventVersion": "1.11", "userIdentity": identity, "eventTime": iso(at), "eventSource": source,
              "eventName": name, "awsRegion": REGION, "sourceIPAddress": f"203.0.113.{chance.randint(1, 254)}",
              "userAgent": "aws-cli/2.27.0 md/awscrt#0.26.1", "requestParameters": None, "responseElements": None}
    rest = {"requestID": uuid(chance), "eventID": uuid(chance),
            "readOnly": name.startswith(("Get", "List", "Describe", "Lookup")), "eventType": "AwsApiCall",
            "managementEvent": True, "recipientAccountId": ACCOUNT, "eventCategory": "Management"}
    host = f"{source.split('.')[0]}.amazonaws.com"
    tls = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": host}
    return common | fields | rest | {"tlsDetails": tls}


def certificate_event(chance, at, name, denied):
    """One of the twelve events. Denied: IAM logs no parameters, only a message with the target in it."""
    identity = chance.choice((iam_user, assumed_role))(chance)
    user = identity.get("userName") or chance.choice(USERS)
    request, response, target = OPERATIONS[name](name, user, at, chance)
    if denied:
        text = (f"User: {identity['arn']} is not authorized to perform: iam:{name} on resource: {target} "
                "because no identity-based policy allows the action")
        return record(chance, at, "iam.amazonaws.com", name, identity, errorCode="AccessDenied", errorMessage=text)
    return record(chance, at, "iam.amazonaws.com", name, identity, requestParameters=request, responseElements=response)


def decoy(chance, at, kind):
    """Mentions one of the names, but is none of the events."""
    name = chance.choice(list(OPERATIONS))
    user = iam_user(chance)
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": f"iam:{name}", "Resource": "*"}]})
    quoted = json.dumps({"eventSource": "iam.amazonaws.com", "eventName": name})
    if kind == 0:
        return record(chance, at, "iam.amazonaws.com", "PutUserPolicy", user,
                      requestParameters={"userName": "bob", "policyName": name, "policyDocument": policy})
    if kind == 1:
        return record(chance, at, "iam.example.com", name, user)
    if kind == 2:
        return record(chance, at, "cloudtrail.amazonaws.com", "LookupEvents", user, requestParameters={
            "lookupAttributes": [{"attributeKey": "EventName", "attributeValue": name}], "eventName": name})
    if kind == 3:
        return record(chance, at, "sqs.amazonaws.com", "SendMessage", user, requestParameters={"messageBody": quoted})
    if kind == 4:
        return record(chance, at, "iam.amazonaws.com", f"{name}V2", user)
    return record(chance, at, "iam.amazonaws.com", "ListUsers", user, userAgent=f'"eventName":"{name}"')


def other_event(chance, at):
    """Any other event, as most records of a file are."""
    source, name = chance.choice((
        ("ec2.amazonaws.com", "DescribeInstances"), ("sts.amazonaws.com", "AssumeRole"),
        ("s3.amazonaws.com", "GetBucketAcl"), ("kms.amazonaws.com", "Decrypt"),
        ("logs.amazonaws.com", "CreateLogStream"), ("iam.amazonaws.com", "GetRole"),
        ("acm.amazonaws.com", "ListCertificates")))
    identity = chance.choice((iam_user, assumed_role))(chance)
    return record(chance, at, source, name, identity, requestParameters={"note": "sample"})


def make_records(chance, count):
    """`count` records in random order, or one of each kind; and the eventIDs of the certificate events."""
    kinds = [(name, denied) for name in OPERATIONS for denied in (False, True)]
    if count is None:
        made = [certificate_event(chance, START + 7 * n, *which) for n, which in enumerate(kinds)]
        others = [decoy(chance, START + 11 * n, n % 6) for n in range(36)]
        others += [other_event(chance, START + 5 * n) for n in range(240)]
    else:
        # A third certificate events, a sixth decoys: far more than in practice, so that a demo has something to show.
        made = [certificate_event(chance, START + n, *kinds[n % len(kinds)]) for n in range(count // 3)]
        others = [decoy(chance, START + n, n % 6) for n in range(count // 6)]
        others += [other_event(chance, START + n) for n in range(count - len(made) - len(others))]
    expected = [record["eventID"] for record in made]
    records = made + others
    chance.shuffle(records)
    return records, expected


def compress(records, members):
    """A log file: one line of JSON, in one gzip member or cut into several."""
    text = json.dumps({"Records": records}, separators=(",", ":"), ensure_ascii=False).encode()
    step = -(-len(text) // members)
    return b"".join(gzip.compress(text[at:at + step], 6, mtime=0) for at in range(0, len(text), step))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--records", type=int, help="how many; without it the committed set")
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    records, expected = make_records(chance, options.records)
    for number in range(options.files):
        at = time.gmtime(START + 300 * (number + 1))
        folder = options.out / "AWSLogs" / ACCOUNT / "CloudTrail" / REGION / time.strftime("%Y/%m/%d", at)
        folder.mkdir(parents=True, exist_ok=True)
        suffix = "".join(chance.choices("abcdefghijkmnpqrstuvwxyzABCDEFGH0123456789", k=16))
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{time.strftime('%Y%m%dT%H%MZ', at)}_{suffix}.json.gz"
        members = 2 if number == options.files - 1 else 1
        (folder / name).write_bytes(compress(records[number::options.files], members))
    options.out.with_name(options.out.name + ".expected.txt").write_text("".join(f"{event}\n" for event in sorted(expected)))


if __name__ == "__main__":
    main()
