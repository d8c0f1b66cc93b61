# SPDX-License-Identifier: GPL-2.0-only
"""UEFI firmware with Secure Boot on, for the AMD machine: a variable store with keys in it.

What the firmware knows of keys is in three variables: PK (who may change KEK), KEK (who may change
db) and db (whose programs it boots). With a PK it is in user mode and Secure Boot is on. Nothing in
this machine changes any of them, so one certificate serves as PK and KEK. (The firmware of Debian
12 boots a kernel of QEMU's -kernel that it cannot verify, too; later ones do not.)
Layout: MdeModulePkg/Include/Guid/VariableFormat.h, MdePkg/Include/Guid/ImageAuthentication.h.
"""

import os
import struct
import subprocess
import tempfile
import uuid

from kernel import SYSTEM, Failure

PACKAGE = "ovmf"
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"    # Secure Boot without System Management Mode: faster
EMPTY = "/usr/share/OVMF/OVMF_VARS_4M.fd"

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY_DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
AUTHENTICATED_STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
# Kept without power, for boot and run time, changed by whoever has a key.
ATTRIBUTES = 0x27
ADDED = 0x3f


def certificates_in(kernel):
    """Those with which a bzImage is signed, in DER form (PE's certificate table, PKCS #7)."""
    with open(kernel, "rb") as file:
        image = file.read()
    optional = struct.unpack_from("<I", image, 0x3c)[0] + 24
    offset, _ = struct.unpack_from("<II", image, optional + 112 + 4 * 8)
    if not offset:
        raise Failure(SYSTEM, f"{kernel} is not signed")
    length, _, kind = struct.unpack_from("<IHH", image, offset)
    if kind != 2:
        raise Failure(SYSTEM, f"{kernel} is signed in a way that is not known: {kind}")
    done = subprocess.run(["openssl", "pkcs7", "-inform", "DER", "-print_certs"], check=True,
                          input=image[offset + 8:offset + length], stdout=subprocess.PIPE)
    end = b"-----END CERTIFICATE-----"
    return [subprocess.run(["openssl", "x509", "-outform", "DER"], input=one + end, check=True,
                           stdout=subprocess.PIPE).stdout
            for one in done.stdout.split(end)[:-1]]


def new_certificate():
    """One whose key nobody has any more."""
    with tempfile.TemporaryDirectory() as work:
        return subprocess.run(
            ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
             "/CN=owner of the emulated machine", "-keyout", f"{work}/key", "-outform", "DER"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def signature_list(certificate):
    size = 16 + len(certificate)
    return struct.pack("<16sIII16s", X509.bytes_le, 28 + size, 0, size,
                       GLOBAL.bytes_le) + certificate


def variable(name, vendor, content):
    name = (name + "\0").encode("utf-16-le")
    head = struct.pack("<HBBIQ16sIII16s", 0x55aa, ADDED, 0, ATTRIBUTES, 0, bytes(16), 0,
                       len(name), len(content), vendor.bytes_le)
    whole = head + name + content
    return whole + b"\xff" * (-len(whole) % 4)


def write_variables(path, certificates):
    """Write a variable store whose db has the CERTIFICATES."""
    try:
        with open(EMPTY, "rb") as file:
            store = bytearray(file.read())
    except FileNotFoundError:
        raise Failure(SYSTEM, f"{EMPTY} is missing",
                      f"next: sudo apt-get install {PACKAGE}") from None
    start = struct.unpack_from("<H", store, 0x30)[0]    # of the store: the volume's HeaderLength
    first = start + 28
    if store[start:start + 16] != AUTHENTICATED_STORE.bytes_le or \
            store[first:first + 64] != b"\xff" * 64:
        raise Failure(SYSTEM, f"{EMPTY} is no empty store of authenticated variables")
    owner = signature_list(new_certificate())
    content = variable("PK", GLOBAL, owner) + variable("KEK", GLOBAL, owner) + \
        variable("db", SECURITY_DATABASE, b"".join(map(signature_list, certificates)))
    store[first:first + len(content)] = content
    with open(path, "wb") as file:
        file.write(store)


def drives(variables):
    """The options of QEMU."""
    return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}",
            "-drive", f"if=pflash,unit=1,format=raw,file={os.path.basename(variables)}"]
