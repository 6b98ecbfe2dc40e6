"""Behaviour of S3: notifications to the queue, and objects."""

import json
import re

from services import check, error_of


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
def a_put_is_notified(aws):
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
def the_notified_key_is_encoded(aws):
    bucket, queue = aws.notified_bucket()
    aws.receive(queue)
    keys = []
    for key in ["a/b", "a b", "a+b", "a=b", "é", "a%b", "a~b*c-d_e.f"]:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        [message] = aws.receive(queue)
        keys.append(json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"])
    return keys


@check
def only_matching_keys_are_notified(aws):
    rules = [{"Name": "prefix", "Value": "AWSLogs/"}, {"Name": "suffix", "Value": ".gz"}]
    bucket, queue = aws.notified_bucket(Filter={"Key": {"FilterRules": rules}})
    aws.receive(queue)
    for key in ["AWSLogs/a.gz", "other/a.gz", "AWSLogs/a.txt"]:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return len(aws.receive(queue, 10))


@check
def objects_are_read_completely_in_ranges_and_if_unchanged(aws):
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
    keys = lambda response: [entry["Key"] for entry in response.get("Contents", [])]
    return {
        "plain": keys(plain),
        "rolled": keys(rolled),
        "common": [entry["Prefix"] for entry in rolled["CommonPrefixes"]],
        "pages": [keys(page) for page in pages],
        "after": keys(after),
        "no bucket": error_of(aws.s3.list_objects_v2, Bucket="there-is-none"),
    }
