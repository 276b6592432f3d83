"""Attacks that reach the network, or any process through a socket."""

import os

from runtime.attacks.attack import Target, attack
from runtime.attacks.prelude import become_root_of_namespaces, found, reached, syscall


@attack(stopped_by={"net", "landlock", "seccomp"}, verify="listener-untouched")
def connect_to_loopback(target: Target) -> str | None:
    """Connects to a TCP listener on 127.0.0.1."""
    import socket

    with socket.create_connection(("127.0.0.1", target["tcp_port"]), 2) as connection:
        connection.sendall(b"was here")
    return "connected"


@attack(stopped_by={"net", "landlock", "seccomp"}, verify="listener-untouched")
def connect_to_loopback_by_a_mapped_address(target: Target) -> str | None:
    """Connects to the same listener through an IPv6 socket."""
    import socket

    with socket.create_connection(("::ffff:127.0.0.1", target["tcp_port"]), 2) as connection:
        connection.sendall(b"was here")
    return "connected"


@attack(stopped_by={"net", "seccomp"}, verify="listener-untouched")
def connect_by_sending(target: Target) -> str | None:
    """Connects with sendto and MSG_FASTOPEN, which a rule about connect may overlook."""
    import socket

    with socket.socket() as connection:
        return f"sent {connection.sendto(b'was here', socket.MSG_FASTOPEN, ('127.0.0.1', target['tcp_port']))} bytes"


@attack(stopped_by={"net", "seccomp"}, verify="listener-untouched")
def connect_by_multipath(target: Target) -> str | None:
    """Connects through an MPTCP socket, which a rule about TCP may overlook."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as connection:
        connection.settimeout(2)
        connection.connect(("127.0.0.1", target["tcp_port"]))
    return "connected"


@attack(stopped_by={"net", "landlock", "seccomp"}, control="needs a route out of the machine")
def connect_to_the_outside(target: Target) -> str | None:
    """Begins a TCP connection to an address outside; one hop far, and to an address for documentation only."""
    import errno
    import socket

    with socket.socket() as connection:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        connection.setblocking(False)
        code = connection.connect_ex(("198.51.100.1", 80))
    return "the first packet left" if code in {0, errno.EINPROGRESS} else None


@attack(stopped_by={"net", "seccomp"}, verify="listener-untouched")
def send_a_datagram_to_loopback(target: Target) -> str | None:
    """Sends a UDP datagram to a socket on 127.0.0.1."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return f"sent {sender.sendto(b'was here', ('127.0.0.1', target['udp_port']))} bytes"


@attack(stopped_by={"net", "seccomp"}, control="needs a route out of the machine")
def find_a_route_to_the_outside(target: Target) -> str | None:
    """Connects a UDP socket to an address outside, which sends nothing and tells its own address."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("198.51.100.1", 53))
        return f"would send from an address of {found(sender.getsockname()[0])}"


@attack(stopped_by={"net", "seccomp"}, verify="listener-untouched")
def carry_data_out_in_a_name(target: Target) -> str | None:
    """Asks a name server for a name that holds the data: the oldest way out of a closed network."""
    import socket

    label = os.urandom(8).hex().encode()
    query = (
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        + bytes([len(label)])
        + label
        + b"\x00\x00\x01\x00\x01"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", target["udp_port"]))
        return f"asked with {sender.send(query)} bytes"


@attack(stopped_by={"net", "seccomp", "mount", "landlock"}, control="needs a name server that answers")
def look_up_a_name(target: Target) -> str | None:
    """Has the C library look up a name in DNS."""
    import socket

    return found(socket.getaddrinfo("example.com", 80))


@attack(stopped_by={"mount", "seccomp", "landlock"}, verify="listener-untouched")
def connect_to_a_unix_socket(target: Target) -> str | None:
    """Connects to a unix socket by its path, as one would to Docker's."""
    import socket

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(target["unix_path"])
    return "connected"


@attack(stopped_by={"net", "seccomp", "landlock"}, verify="listener-untouched")
def connect_to_an_abstract_socket(target: Target) -> str | None:
    """Connects to a unix socket by its abstract name, which no file system hides."""
    import socket

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{target['abstract_name']}")
    return "connected"


@attack(stopped_by={"mount", "seccomp", "landlock"})
def reconnect_one_of_a_pair(target: Target) -> str | None:
    """Makes a pair of datagram sockets, which may be allowed, and connects one of them to a host socket's path."""
    import errno
    import socket

    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    code = ours.connect_ex(target["unix_path"])
    return "the host's socket answered" if code in {0, errno.EPROTOTYPE} else None


@attack(stopped_by={"mount", "seccomp", "landlock"})
def send_from_one_of_a_pair(target: Target) -> str | None:
    """Sends from one of a pair of datagram sockets to a host socket's path."""
    import errno
    import socket

    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        ours.sendto(b"was here", target["unix_path"])
    except OSError as error:
        return "the host's socket answered" if error.errno == errno.EPROTOTYPE else None
    return "sent"


@attack(stopped_by={"mount", "seccomp", "landlock"})
def send_a_message_from_one_of_a_pair(target: Target) -> str | None:
    """Sends from one of a pair with sendmsg to a host socket's path: the address lies in memory, where no filter looks."""
    import errno
    import socket

    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        ours.sendmsg([b"was here"], [], 0, target["unix_path"])
    except OSError as error:
        return "the host's socket answered" if error.errno == errno.EPROTOTYPE else None
    return "sent"


@attack(stopped_by={"seccomp"})
def make_a_pair_of_another_family(target: Target) -> str | None:
    """Asks for a pair of internet sockets: the kernel's own answer shows that the family is not looked at."""
    return reached("socketpair", 2, 1, 0, bytes(8))


@attack(stopped_by={"net", "landlock", "seccomp"})
def listen_on_loopback(target: Target) -> str | None:
    """Listens on a TCP port of 127.0.0.1."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return f"listens on {listener.getsockname()[1]}"


@attack(stopped_by={"seccomp"})
def listen_without_binding(target: Target) -> str | None:
    """Listens on a socket that was never bound: the kernel chooses a port, and no rule about bind is asked."""
    import socket

    with socket.socket() as listener:
        listener.listen()
        return f"listens on {listener.getsockname()[1]}"


@attack(stopped_by={"seccomp"})
def take_an_abstract_name(target: Target) -> str | None:
    """Listens under an abstract name of its choice, for a program of the host to connect to."""
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{target['marker']}")
        listener.listen()
    return "listens"


@attack(stopped_by={"seccomp", "net", "user", "capabilities", "identity"}, as_root=True)
def open_a_raw_socket(target: Target) -> str | None:
    """Opens a raw socket, which sends packets of any content."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "opened"


@attack(stopped_by={"seccomp", "net", "user", "capabilities", "identity"}, as_root=True)
def open_a_packet_socket(target: Target) -> str | None:
    """Opens a packet socket, which hears all that passes the network card."""
    import socket

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)):
        return "opened"


@attack(stopped_by={"seccomp"})
def open_a_packet_socket_as_its_own_root(target: Target) -> str | None:
    """Becomes root of a network of its own and opens a packet socket there: code of the kernel that was often broken."""
    import socket

    become_root_of_namespaces()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0):
        return "opened"


@attack(stopped_by={"seccomp"}, control="needs a kernel with XDP sockets")
def open_an_xdp_socket(target: Target) -> str | None:
    """Becomes root of a network of its own and opens an XDP socket."""
    become_root_of_namespaces()
    return f"opened {syscall('socket', 44, 3, 0)}"


@attack(stopped_by={"seccomp"})
def ask_netlink_for_the_network(target: Target) -> str | None:
    """Opens a netlink socket and asks for all network interfaces."""
    import socket
    import struct

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("=IHHIIB15x", 32, 18, 0x301, 1, 0, 0))
        return found(netlink.recv(65536))


@attack(stopped_by={"seccomp"})
def hear_events_of_the_kernel(target: Target) -> str | None:
    """Opens a netlink socket for the kernel's events about devices."""
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15) as netlink:
        netlink.bind((0, 0))
        return "bound"


@attack(stopped_by={"seccomp", "net"}, control="needs an interface besides the loopback")
def list_the_network_interfaces(target: Target) -> str | None:
    """Lists the names of the host's network interfaces."""
    import socket

    return found([name for _, name in socket.if_nameindex() if name != "lo"])


@attack(stopped_by={"seccomp"}, control="needs a kernel with vsock")
def open_a_vsock(target: Target) -> str | None:
    """Opens a socket to the hypervisor, without connecting it."""
    return f"opened {syscall('socket', 40, 1, 0)}"


@attack(stopped_by={"seccomp"}, control="needs a kernel with AF_ALG")
def open_a_crypto_socket(target: Target) -> str | None:
    """Opens a socket of the kernel's cryptography."""
    return f"opened {syscall('socket', 38, 5, 0)}"


@attack(stopped_by={"seccomp"})
def try_every_socket_family(target: Target) -> str | None:
    """Tries to open a socket of every known family but the local one."""
    opened = []
    for family in range(2, 46):
        for kind in (1, 2, 3, 5):
            try:
                os.close(syscall("socket", family, kind, 0))
            except OSError:
                continue
            opened.append(family)
            break
    return f"families {opened}" if opened else None


@attack(stopped_by={"seccomp", "rlimits"})  # its rings are locked memory
def have_io_uring_open_a_socket(target: Target) -> str | None:
    """Queues the making of a socket in an io_uring, whose requests no system-call filter sees."""
    import ctypes
    import mmap
    import struct

    parameters = ctypes.create_string_buffer(120)
    ring = syscall("io_uring_setup", 4, parameters)
    values = struct.unpack("=30I", parameters.raw)
    tail, array, completions = values[11], values[16], values[25]
    rings = mmap.mmap(ring, values[25] + 16 * values[1] + 4096, offset=0)
    entries = mmap.mmap(ring, 64 * values[0], offset=0x10000000)
    entries[:64] = struct.pack("=BBHiQQIIQ24x", 45, 0, 0, 2, 1, 0, 0, 0, 7)
    rings[array : array + 4] = struct.pack("=I", 0)
    rings[tail : tail + 4] = struct.pack("=I", 1)
    syscall("io_uring_enter", ring, 1, 1, 1, None, 0)
    _, result, _ = struct.unpack("=QiI", rings[completions : completions + 16])
    return f"opened {result}" if result >= 0 else None


@attack(
    stopped_by={"descriptors"},
    control="the supervisor's descriptors are closed on exec, so without the layer none is found either",
)
def use_an_inherited_socket(target: Target) -> str | None:
    """Looks for an inherited socket of the internet, or one that is connected to something with a name."""
    import socket

    for descriptor in range(1024):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as inherited:
                if inherited.family != socket.AF_UNIX or inherited.getpeername() or inherited.getsockname():
                    return f"descriptor {descriptor} is {inherited!r}"
        except OSError:
            continue
    return None


@attack(
    stopped_by={"seccomp"},
    control="the supervisor sends no descriptors to the code it runs, so there is nothing to take",
)
def take_descriptors_from_its_socket(target: Target) -> str | None:
    """Asks every socket that it holds for descriptors that were sent along (SCM_RIGHTS)."""
    import socket

    for descriptor in range(1024):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as inherited:
                _, taken, _, _ = socket.recv_fds(inherited, 1, 16, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except OSError:
            continue
        if taken:
            return found(taken)
    return None


@attack(stopped_by={"seccomp"})
def pass_descriptors_along(target: Target) -> str | None:
    """Sends a descriptor through a socket (SCM_RIGHTS): while it is under way no limit counts it."""
    import socket

    ours, theirs = socket.socketpair()
    socket.send_fds(ours, [b"x"], [0])
    return found(socket.recv_fds(theirs, 1, 1)[1])
