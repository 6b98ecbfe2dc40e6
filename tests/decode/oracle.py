"""What a decoder must find, worked out with Python's gzip and json and no code of ours.

Reads files from stdin, each after its length (four bytes, little-endian), and answers a line of JSON
for each: the records that the selection names and those that cannot be read, by index, offset and
SHA-256; or the code of what is wrong with the file. Every record is parsed, as in strict mode.
"""

import hashlib
import json
import re
import struct
import sys
import zlib

WANTED = {(source, name) for source, name in json.loads(sys.argv[1])}
RECORD_KEYS = {"eventName", "eventSource", "eventVersion", "eventType"}
BLANK = b" \t\r\n"
# Outside strings, where neither belongs, a backslash still takes the meaning of a quote; strings,
# which may lack their end; brackets.
TOKEN = re.compile(rb'\\["\\]|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.S)
SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[^" \t\r\n,\]}][^ \t\r\n,\]}]*', re.S)
CLOSES = {ord("]"): ord("["), ord("}"): ord("{")}


class Wrong(Exception):
    pass


def unpack(stored):
    parts = []
    while True:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(stored))
        except zlib.error:
            raise Wrong("corrupt_gzip")
        if not member.eof:
            raise Wrong("corrupt_gzip")
        stored = member.unused_data
        if not stored:
            return b"".join(parts)


def refuse(constant):
    raise ValueError(constant)


def parse(text):
    return json.loads(text.decode("utf-8"), parse_constant=refuse)


class Walk:
    def __init__(self, document):
        self.text = document
        self.at = 3 if document.startswith(b"\xef\xbb\xbf") else 0
        starts = (match.start() for match in TOKEN.finditer(document, self.at))
        self.brackets = [start for start in starts if document[start] in b"[]{}"]
        self.number = {start: number for number, start in enumerate(self.brackets)}
        self.read, self.found, self.bad = 0, [], []
        self.records = 0

    def look(self):
        while self.at < len(self.text) and self.text[self.at] in BLANK:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def need(self, *expected):
        byte = self.look()
        if byte not in expected or not byte:
            raise Wrong("corrupt_json")
        return byte

    def bracketed(self):
        if self.at not in self.number:
            raise Wrong("corrupt_json")
        open_brackets = []
        for place in self.brackets[self.number[self.at] :]:
            byte = self.text[place]
            if byte not in CLOSES:
                open_brackets.append(byte)
            elif open_brackets.pop() != CLOSES[byte]:
                raise Wrong("corrupt_json")
            if not open_brackets:
                self.at = place + 1
                return
        raise Wrong("corrupt_json")

    def scalar(self):
        match = SCALAR.match(self.text, self.at)
        if not match:
            raise Wrong("corrupt_json")
        self.at = match.end()
        return match.group()

    def record(self, start):
        text = self.text[start : self.at]
        place = [self.read, start, hashlib.sha256(text).hexdigest()]
        self.read += 1
        try:
            record = parse(text)
        except (ValueError, RecursionError):
            record = None
        no_record = isinstance(record, dict) and not record.keys() & RECORD_KEYS
        # An object that cannot be parsed may have been a record.
        self.records += text.startswith(b"{") and not no_record
        if not isinstance(record, dict) or no_record:
            self.bad.append(place)
            return
        pair = (record.get("eventSource"), record.get("eventName"))
        if all(isinstance(part, str) for part in pair) and pair in WANTED:
            self.found.append(place)

    def array(self):
        self.at += 1
        first = True
        while True:
            byte = self.look()
            if byte == b"]" and first:
                break
            if not byte or byte in b",]}:":
                raise Wrong("corrupt_json")
            start = self.at
            if byte in b"{[":
                self.bracketed()
            else:
                self.scalar()
            self.record(start)
            first = False
            if self.need(b",", b"]") == b"]":
                break
            self.at += 1
        self.at += 1

    def member(self):
        self.need(b'"')
        if not re.compile(rb'"(?:[^"\\]|\\.)*"', re.S).match(self.text, self.at):
            raise Wrong("corrupt_json")
        try:
            key = parse(self.scalar())
        except ValueError:
            raise Wrong("corrupt_json")
        self.need(b":")
        self.at += 1
        byte = self.look()
        if not byte:
            raise Wrong("corrupt_json")
        if key == "Records":
            if byte != b"[":
                raise Wrong("not_cloudtrail")
            self.array()
        elif byte in b"[{":
            self.bracketed()
        else:
            try:
                parse(self.scalar())
            except ValueError:
                raise Wrong("corrupt_json")
        return key

    def object(self, any_object):
        start = self.at
        self.at += 1
        keys = set()
        if self.look() != b"}":
            keys.add(self.member())
            while self.need(b",", b"}") == b",":
                self.at += 1
                self.look()
                keys.add(self.member())
        self.at += 1
        if "Records" in keys:
            return False
        if not any_object and not keys & RECORD_KEYS:
            raise Wrong("not_cloudtrail")
        self.record(start)
        return True

    def document(self):
        lines = None
        while True:
            byte = self.look()
            if not byte:
                break
            if byte == b"[":
                self.array()
                lines = lines or False
            elif byte == b"{" and lines and not self.text.startswith(b'{"Records"', self.at):
                start = self.at
                self.bracketed()
                self.record(start)
                continue
            elif byte == b"{":
                single = self.object(lines is not None)
                lines = single if lines is None else lines
            else:
                raise Wrong("not_cloudtrail" if lines is None else "corrupt_json")
        if lines is None:
            raise Wrong("empty_object")
        if self.read and not self.records:
            raise Wrong("not_cloudtrail")


def answer(stored):
    try:
        if not stored:
            raise Wrong("empty_object")
        walk = Walk(unpack(stored) if stored[0] == 0x1F else stored)
        walk.document()
    except Wrong as wrong:
        return {"error": str(wrong)}
    return {"read": walk.read, "found": walk.found, "bad": walk.bad}


while header := sys.stdin.buffer.read(4):
    (length,) = struct.unpack("<I", header)
    print(json.dumps(answer(sys.stdin.buffer.read(length))), flush=False)
