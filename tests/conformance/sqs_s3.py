"""What SQS and S3 do, asked through boto3 and printed as comparable JSON.

    sqs_s3.py --sqs URL --s3 URL

Run against two servers, the outputs can be compared key by key: nothing in them depends on time,
ports or generated ids. The checks are the behaviours that a consumer of S3 notifications relies on
or is hurt by. The waits are the services' own clocks (visibility of one second); nothing else sleeps.
"""

import argparse
import hashlib
import json
import re
import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Services:
    def __init__(self, sqs_url, s3_url):
        common = dict(
            region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
        self.sqs = boto3.client("sqs", endpoint_url=sqs_url, config=config, **common)
        self.s3 = boto3.client("s3", endpoint_url=s3_url, config=config, **common)

    def queue(self, **attributes):
        url = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:12]}")["QueueUrl"]
        if attributes:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url

    def arn(self, url):
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def bucket(self):
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def send(self, url, body="body"):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def receive(self, url, count=1, wait=0, **more):
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            **more,
        )
        return answer.get("Messages", [])

    def counts(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return [int(answer["Attributes"][name]) for name in names]

    def notified_bucket(self, **configuration):
        queue, bucket = self.queue(), self.bucket()
        to_queue = {
            "Id": "all",
            "QueueArn": self.arn(queue),
            "Events": ["s3:ObjectCreated:*"],
            **configuration,
        }
        self.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [to_queue]}
        )
        return bucket, queue


def error_of(call, **arguments):
    """The error's code, without the prefix that the query protocol gave some of them."""
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"].removeprefix("AWS.SimpleQueueService.")


def batch_codes(answer):
    failed = [(entry["Id"], entry["Code"]) for entry in answer.get("Failed", [])]
    return {"ok": [e["Id"] for e in answer.get("Successful", [])], "failed": failed}


def handles(message):
    return message["ReceiptHandle"]


@check
def send_answers_md5_and_receive_repeats_it(aws):
    url = aws.queue()
    sent = aws.send(url, "häĺlo")
    [message] = aws.receive(url)
    md5 = hashlib.md5("häĺlo".encode()).hexdigest()
    return {
        "sent": sent["MD5OfMessageBody"] == md5,
        "received": message["MD5OfBody"] == md5,
        "same id": sent["MessageId"] == message["MessageId"],
        "body": message["Body"],
    }


@check
def system_attributes_come_only_when_asked_for(aws):
    url = aws.queue()
    aws.send(url)
    asked = ["SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"]
    plain = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]
    named = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MessageSystemAttributeNames=asked)
    legacy = aws.sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    return {
        "plain": "Attributes" in plain,
        "named": sorted(named["Messages"][0]["Attributes"]),
        "legacy": legacy["Messages"][0]["Attributes"],
    }


@check
def a_message_is_hidden_and_comes_back_under_a_new_handle(aws):
    url = aws.queue(VisibilityTimeout="1")
    aws.send(url)
    [first] = aws.receive(url)
    hidden = aws.receive(url)
    [second] = aws.receive(url, wait=5)
    return {
        "hidden": hidden == [],
        "same id": first["MessageId"] == second["MessageId"],
        "new handle": handles(first) != handles(second),
        "counts": [m["Attributes"]["ApproximateReceiveCount"] for m in (first, second)],
        "same first receive": first["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == second["Attributes"]["ApproximateFirstReceiveTimestamp"],
    }


@check
def change_visibility_renews_and_zero_releases(aws):
    url = aws.queue(VisibilityTimeout="1")
    aws.send(url)
    [message] = aws.receive(url)
    aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=60
    )
    time.sleep(1.2)
    renewed = aws.receive(url) == []
    aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=0
    )
    [again] = aws.receive(url)
    return {"renewed": renewed, "count": again["Attributes"]["ApproximateReceiveCount"]}


@check
def deleting_with_a_stale_handle(aws):
    url = aws.queue()
    aws.send(url)
    [first] = aws.receive(url, VisibilityTimeout=0)
    [second] = aws.receive(url)
    error = error_of(aws.sqs.delete_message, QueueUrl=url, ReceiptHandle=handles(first))
    return {"error": error, "left": sum(aws.counts(url))}


@check
def deleting_twice_and_after_the_visibility_ended(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url, VisibilityTimeout=0)
    calls = [
        error_of(aws.sqs.delete_message, QueueUrl=url, ReceiptHandle=handles(message))
        for _ in range(2)
    ]
    return {"errors": calls, "left": sum(aws.counts(url))}


@check
def garbage_handles_are_invalid(aws):
    url = aws.queue()
    arguments = dict(QueueUrl=url, ReceiptHandle="garbage")
    return [
        error_of(aws.sqs.delete_message, **arguments),
        error_of(aws.sqs.change_message_visibility, VisibilityTimeout=1, **arguments),
    ]


@check
def changing_the_visibility_of_a_visible_message(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url, VisibilityTimeout=0)
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=10)
    return error_of(aws.sqs.change_message_visibility, **arguments)


@check
def changing_the_visibility_of_a_deleted_message(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=handles(message))
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=10)
    return error_of(aws.sqs.change_message_visibility, **arguments)


@check
def twelve_hours_are_the_end_of_a_lease(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    time.sleep(1.1)
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message))
    change = aws.sqs.change_message_visibility
    return [
        error_of(change, VisibilityTimeout=43_201, **arguments),
        error_of(change, VisibilityTimeout=43_200, **arguments),
        error_of(change, VisibilityTimeout=43_190, **arguments),
    ]


@check
def redrive_at_max_receive_count(aws):
    dead = aws.queue()
    policy = {"deadLetterTargetArn": aws.arn(dead), "maxReceiveCount": "2"}
    url = aws.queue(RedrivePolicy=json.dumps(policy))
    sent = aws.send(url, "poison")
    received = [len(aws.receive(url, VisibilityTimeout=0)) for _ in range(3)]
    [message] = aws.receive(dead)
    return {
        "received": received,
        "body": message["Body"],
        "same id": message["MessageId"] == sent["MessageId"],
        "left": aws.counts(url),
    }


@check
def batch_delete_fails_by_entry(aws):
    url = aws.queue()
    for body in "ab":
        aws.send(url, body)
    messages = aws.receive(url, 10)
    entries = [{"Id": f"m{n}", "ReceiptHandle": handles(m)} for n, m in enumerate(messages)]
    entries.insert(1, {"Id": "bad", "ReceiptHandle": "garbage"})
    answer = aws.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    fault = answer["Failed"][0]["SenderFault"]
    return {**batch_codes(answer), "sender fault": fault, "left": sum(aws.counts(url))}


@check
def batch_change_fails_by_entry(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    answer = aws.sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "good", "ReceiptHandle": handles(message), "VisibilityTimeout": 60},
            {"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 60},
        ],
    )
    return batch_codes(answer)


@check
def batches_are_refused_as_a_whole(aws):
    url = aws.queue()
    delete = aws.sqs.delete_message_batch
    entry = lambda id: {"Id": id, "ReceiptHandle": "garbage"}
    return {
        "same ids": error_of(delete, QueueUrl=url, Entries=[entry("a"), entry("a")]),
        "eleven": error_of(delete, QueueUrl=url, Entries=[entry(f"m{n}") for n in range(11)]),
        "bad id": error_of(delete, QueueUrl=url, Entries=[entry("a b")]),
        "empty": error_of(delete, QueueUrl=url, Entries=[]),
    }


@check
def send_batch_and_counts(aws):
    url = aws.queue()
    entries = [{"Id": f"m{n}", "MessageBody": f"body {n}"} for n in range(10)]
    answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    received = aws.receive(url, 4)
    return {**batch_codes(answer), "received": len(received), "counts": aws.counts(url)}


@check
def long_polls_wait_and_wake(aws):
    url = aws.queue()
    start = time.monotonic()
    nothing = aws.receive(url, wait=1)
    waited = time.monotonic() - start
    aws.send(url)
    aws.receive(url, VisibilityTimeout=1)
    start = time.monotonic()
    [message] = aws.receive(url, wait=20)
    woke = time.monotonic() - start
    return {"nothing": nothing, "waited": waited >= 0.9, "woke before the end": woke < 10}


@check
def purge_and_unknown_queues(aws):
    url = aws.queue()
    aws.send(url)
    aws.sqs.purge_queue(QueueUrl=url)
    missing = error_of(aws.sqs.receive_message, QueueUrl=url + "-not")
    by_name = error_of(aws.sqs.get_queue_url, QueueName="there-is-none")
    found = aws.sqs.get_queue_url(QueueName=url.rsplit("/", 1)[1])["QueueUrl"] == url
    listed = url in aws.sqs.list_queues(QueueNamePrefix=url.rsplit("/", 1)[1])["QueueUrls"]
    counts = aws.counts(url)
    return {"missing": missing, "name": by_name, "found": found, "listed": listed, "left": counts}


@check
def parameters_out_of_range(aws):
    url = aws.queue()
    receive = aws.sqs.receive_message
    return {
        "max 0": error_of(receive, QueueUrl=url, MaxNumberOfMessages=0),
        "max 11": error_of(receive, QueueUrl=url, MaxNumberOfMessages=11),
        "wait 21": error_of(receive, QueueUrl=url, WaitTimeSeconds=21),
        "visibility": error_of(receive, QueueUrl=url, VisibilityTimeout=43_201),
    }


@check
def a_new_notification_configuration_sends_the_test_event(aws):
    bucket, queue = aws.notified_bucket()
    body = json.loads(aws.receive(queue)[0]["Body"])
    return {
        "keys": sorted(body),
        "service": body["Service"],
        "event": body["Event"],
        "bucket": body["Bucket"] == bucket,
    }


@check
def a_put_is_announced(aws):
    bucket, queue = aws.notified_bucket()
    aws.receive(queue)
    aws.s3.put_object(Bucket=bucket, Key="AWSLogs/k.json.gz", Body=b"abc")
    [message] = aws.receive(queue, 10)
    body = json.loads(message["Body"])
    [record] = body["Records"]
    return {
        "top": sorted(body),
        "version": record["eventVersion"],
        "source": record["eventSource"],
        "name": record["eventName"],
        "region": record["awsRegion"],
        "time": bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])),
        "bucket": record["s3"]["bucket"]["name"] == bucket,
        "bucket arn": record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}",
        "configuration": record["s3"]["configurationId"],
        "schema": record["s3"]["s3SchemaVersion"],
        "size": record["s3"]["object"]["size"],
        "etag": record["s3"]["object"]["eTag"],
    }


@check
def record_members(aws):
    bucket, queue = aws.notified_bucket()
    aws.receive(queue)
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"abc")
    record = json.loads(aws.receive(queue)[0]["Body"])["Records"][0]
    return {"record": sorted(record), "object": sorted(record["s3"]["object"])}


@check
def the_announced_key_is_encoded(aws):
    bucket, queue = aws.notified_bucket()
    aws.receive(queue)
    keys = []
    for key in ["a/b", "a b", "a+b", "a=b", "é", "a%b", "a~b*c-d_e.f"]:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        [message] = aws.receive(queue)
        keys.append(json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"])
    return keys


@check
def only_matching_keys_are_announced(aws):
    rules = [{"Name": "prefix", "Value": "AWSLogs/"}, {"Name": "suffix", "Value": ".gz"}]
    bucket, queue = aws.notified_bucket(Filter={"Key": {"FilterRules": rules}})
    aws.receive(queue)
    for key in ["AWSLogs/a.gz", "other/a.gz", "AWSLogs/a.txt"]:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return len(aws.receive(queue, 10))


@check
def objects_are_read_whole_in_part_and_if_unchanged(aws):
    bucket = aws.bucket()
    put = aws.s3.put_object(Bucket=bucket, Key="a b/é", Body=b"0123456789", ContentType="text/x")
    get = lambda **more: aws.s3.get_object(Bucket=bucket, Key="a b/é", **more)
    part = get(Range="bytes=4-6", IfMatch=put["ETag"])
    tail = get(Range="bytes=4-")
    head = aws.s3.head_object(Bucket=bucket, Key="a b/é")
    return {
        "whole": get()["Body"].read().decode(),
        "part": part["Body"].read().decode(),
        "status": part["ResponseMetadata"]["HTTPStatusCode"],
        "range": part["ContentRange"],
        "tail": tail["Body"].read().decode(),
        "etag": put["ETag"] == head["ETag"] == '"781e5e245d69b566979b86e28d23f2c7"',
        "length": head["ContentLength"],
        "type": head["ContentType"],
        "modified": "LastModified" in head,
    }


@check
def object_errors(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    get = aws.s3.get_object
    return {
        "missing": error_of(get, Bucket=bucket, Key="no"),
        "no bucket": error_of(get, Bucket="there-is-none", Key="k"),
        "changed": error_of(get, Bucket=bucket, Key="k", IfMatch='"0"'),
        "beyond": error_of(get, Bucket=bucket, Key="k", Range="bytes=10-"),
        "head": error_of(aws.s3.head_object, Bucket=bucket, Key="no"),
        "delete": error_of(aws.s3.delete_object, Bucket=bucket, Key="no"),
    }


@check
def listing_by_prefix_delimiter_and_page(aws):
    bucket = aws.bucket()
    for key in ["a/1/x", "a/1/y", "a/2/x", "a/3", "a/b c+d", "b"]:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    plain = aws.s3.list_objects_v2(Bucket=bucket)
    rolled = aws.s3.list_objects_v2(Bucket=bucket, Prefix="a/", Delimiter="/")
    pages = aws.s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 4}
    )
    after = aws.s3.list_objects_v2(Bucket=bucket, StartAfter="a/2/x")
    keys = lambda answer: [entry["Key"] for entry in answer.get("Contents", [])]
    return {
        "plain": keys(plain),
        "rolled": keys(rolled),
        "common": [entry["Prefix"] for entry in rolled["CommonPrefixes"]],
        "pages": [keys(page) for page in pages],
        "after": keys(after),
        "no bucket": error_of(aws.s3.list_objects_v2, Bucket="there-is-none"),
    }


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
        except Exception as error:  # one check that cannot be carried out must not hide the others
            results[function.__name__] = f"FAILED: {type(error).__name__}: {error}"
    json.dump(results, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
