/* A long line on one machine: two TUN devices, each in a network namespace of its own, and between them a fixed delay,
 * a fixed rate and a drop-tail queue, each way. The ends are the kernel's own TCP, so slow start costs what it costs
 * on the Internet. For kernels without tc-netem.
 *
 * usage: slowlink NETNS_A NETNS_B DEVICE ONE_WAY_DELAY_US RATE_BITS_PER_S QUEUE_BYTES
 *
 * One thread: wait until a device has a packet or the next one is due, take in, hand out. Prints "up" once the devices
 * exist, and ends when its parent does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 16384, MTU = 1500 };

struct packet { int64_t due; int length; unsigned char bytes[MTU]; };

/* From one device to the other. Packets keep their order, so the first one is always the next one due. */
struct way { int from, to; int64_t line_free; unsigned first, past; struct packet *queue; };

static int64_t delay_ns, queue_ns;
static double ns_per_byte;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_tun(const char *netns, const char *device) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) die(path);
    close(ns);
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0) die("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    if (ioctl(tun, TUNSETIFF, &request) < 0) die(device);
    return tun;
}

/* Take in what waits: it stands behind what is still being sent, or falls off the end of the queue. */
static void take(struct way *way) {
    while (way->past - way->first < SLOTS) {
        struct packet *packet = &way->queue[way->past % SLOTS];
        packet->length = read(way->from, packet->bytes, MTU);
        if (packet->length <= 0) {
            if (packet->length < 0 && errno != EAGAIN && errno != EINTR) die("read");
            return;
        }
        int64_t arrived = now(), start = way->line_free > arrived ? way->line_free : arrived;
        if (start - arrived > queue_ns) continue;
        way->line_free = start + (int64_t)(packet->length * ns_per_byte);
        packet->due = way->line_free + delay_ns;
        way->past++;
    }
}

/* Hand out what is due; returns when the next one will be. */
static int64_t hand(struct way *way) {
    while (way->first != way->past) {
        struct packet *packet = &way->queue[way->first % SLOTS];
        if (packet->due > now()) return packet->due;
        if (write(way->to, packet->bytes, packet->length) < 0 && errno != EIO && errno != EINVAL && errno != EAGAIN)
            die("write");
        way->first++;
    }
    return INT64_MAX;
}

int main(int count, char **argument) {
    if (count != 7) {
        fputs("usage: slowlink NETNS_A NETNS_B DEVICE ONE_WAY_DELAY_US RATE_BITS_PER_S QUEUE_BYTES\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    delay_ns = (int64_t)(atof(argument[4]) * 1e3);
    ns_per_byte = 8e9 / atof(argument[5]);
    queue_ns = (int64_t)(atof(argument[6]) * ns_per_byte);
    int a = open_tun(argument[1], argument[3]), b = open_tun(argument[2], argument[3]);
    struct way ways[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    for (int i = 0; i < 2; i++)
        if (!(ways[i].queue = calloc(SLOTS, sizeof *ways[i].queue))) die("calloc");
    puts("up");
    fflush(stdout);
    for (;;) {
        int64_t one = hand(&ways[0]), other = hand(&ways[1]), next = one < other ? one : other, wait = next - now();
        if (wait < 0) wait = 0;
        struct timespec patience = {wait / 1000000000, wait % 1000000000};
        struct pollfd devices[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        if (ppoll(devices, 2, next == INT64_MAX ? NULL : &patience, NULL) < 0 && errno != EINTR) die("poll");
        for (int i = 0; i < 2; i++)
            if (devices[i].revents & POLLIN) take(&ways[i]);
    }
}
