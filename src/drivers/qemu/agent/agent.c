/*
 * The agent of rx-instances in a guest: runs programs, and reaches files, for the host over a virtio-serial port. What is said there stands in the
 * README beside the driver, "The agent". One process, one loop; every queue is bounded, and nothing waits for anything else.
 *
 *   musl-gcc -static -O2 -s -o rx-instances-agent agent.c files.c
 */
#define _GNU_SOURCE
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME "org.rx-instances.agent"
#define GROUPS "/sys/fs/cgroup"

enum {
  MOST_EXECS = 64,
  RING_BYTES = 128 * 1024,  /* of each stream, in each direction: what is under way and not acknowledged */
  PIECE_BYTES = 16 * 1024,  /* of a stream in one frame */
  MOST_FRAME = 1024 * 1024, /* that the host sends: a program with its arguments and variables */
  HEADER_BYTES = 9,
  ORPHANED_MS = 10 * 1000,  /* how long programs run on while nobody is there who started them */
  LAST_WORDS_MS = 1000,     /* how long somebody who escaped may hold an output open */
};

/* What an exec is started with. */
enum { HAS_INPUT = 1, HAS_OUTPUT = 2, IS_OF_FILES = 4 };

/* What the host says, and what it is told. */
enum { HELLO = 1, ATTACH, CLOCK, IDENTITY, EXEC, INPUT, INPUT_END, ACK, KILL, DROP, LEAVE };
enum { HELLO_BACK = 65, ATTACHED, STARTED, FAILED, OUTPUT, TAKEN, EXITED };

static const uint64_t NOBODY_READS = UINT64_MAX;

typedef struct {
  uint8_t *bytes;
  uint64_t acked; /* all before this is forgotten */
  uint64_t sent;  /* all before this is on its way */
  uint64_t end;   /* all before this is here */
} Ring;

typedef struct {
  bool used;
  uint32_t id;
  pid_t pid;
  int report; /* tells why it could not be started, and ends when it is */
  int input, output[2];
  Ring in, out[2];
  uint64_t in_end; /* where its input ends, once that is known */
  bool has_group, ends_by_itself, input_ends, input_gone;
  bool is_started, is_failed, is_reaped, is_empty, is_gone, is_dropped;
  bool tell_started, tell_failed, tell_taken, tell_exited;
  uint8_t failed_at;
  int failed_errno, status;
  int64_t reaped_ms;
} Exec;

static Exec execs[MOST_EXECS];
static int port_fd = -1, edge_fd = -1, child_fd = -1;

static uint8_t frame_in[MOST_FRAME + MOST_FRAME / 128];
static size_t frame_in_bytes;
static bool frame_is_broken; /* too long, or begun before this program was */

static uint8_t out[64 * 1024];
static size_t out_from, out_to;

static bool is_connected = true, is_attached, tell_hello, tell_attached;
static uint8_t nonce[16];
static int64_t alone_since;
static char identity[256];

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static uint64_t number(const uint8_t *from, int bytes) {
  uint64_t value = 0;
  for (int at = bytes; at-- > 0;) value = value << 8 | from[at];
  return value;
}

static uint8_t *put(uint8_t *to, uint64_t value, int bytes) {
  for (; bytes > 0; bytes -= 1, value >>= 8) *to++ = (uint8_t)value;
  return to;
}

/* ---- Frames: no zero byte but after each (consistent overhead byte stuffing), so that one that was cut off harms none after it. */

static size_t stuffed(uint8_t *to, const uint8_t *from, size_t bytes) {
  uint8_t *begin = to;
  const uint8_t *end = from + bytes;
  for (;;) {
    /* A processor that is emulated takes long to look for what is there already. */
    for (; from < end && *from == 0; from += 1) *to++ = 1;
    size_t most = (size_t)(end - from) < 254 ? (size_t)(end - from) : 254;
    const uint8_t *zero = memchr(from, 0, most);
    size_t run = zero != NULL ? (size_t)(zero - from) : most;
    *to++ = (uint8_t)(run + 1);
    memcpy(to, from, run);
    to += run;
    from += run;
    if (zero != NULL) from += 1;
    else if (run < 254) break;
  }
  *to++ = 0;
  return (size_t)(to - begin);
}

/* In place; -1 where it is no whole frame. */
static ssize_t unstuffed(uint8_t *bytes, size_t count) {
  uint8_t *to = bytes, *from = bytes, *end = bytes + count;
  while (from < end) {
    size_t code = *from++;
    if (code == 0 || (size_t)(end - from) < code - 1) return -1;
    if (code > 1) memmove(to, from, code - 1);
    to += code - 1;
    from += code - 1;
    if (code < 255 && from < end) *to++ = 0;
  }
  return to - bytes;
}

static bool has_room(size_t body) {
  size_t bytes = body + HEADER_BYTES;
  if (out_from > 0) {
    memmove(out, out + out_from, out_to - out_from);
    out_to -= out_from;
    out_from = 0;
  }
  return sizeof out - out_to >= bytes + bytes / 254 + 3;
}

/* Has to be asked for room before. `body` has room for a header before it. */
static void queue_frame(uint8_t type, uint32_t id, uint8_t *body, size_t bytes) {
  uint8_t *header = body - HEADER_BYTES;
  header[0] = type;
  put(put(header + 1, id, 4), bytes, 4);
  out_to += stuffed(out + out_to, header, HEADER_BYTES + bytes);
}

/* ---- Programs. */

static void group_path(char *to, size_t bytes, uint32_t id, const char *file) {
  snprintf(to, bytes, GROUPS "/rx-instances/%08x/%s", id, file);
}

static bool write_group(uint32_t id, const char *file, const char *text) {
  char path[96];
  group_path(path, sizeof path, id, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool is_written = write(fd, text, strlen(text)) > 0;
  close(fd);
  return is_written;
}

static bool is_populated(uint32_t id) {
  char path[96], text[128];
  group_path(path, sizeof path, id, "cgroup.events");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t bytes = read(fd, text, sizeof text - 1);
  close(fd);
  text[bytes > 0 ? bytes : 0] = 0;
  return strstr(text, "populated 1") != NULL;
}

/* The program leads a session and a process group of its own; where there are control groups, nobody leaves that of his. */
static void kill_all(Exec *it) {
  /* Its id may be another's by now. */
  if (it->pid <= 0 || it->is_empty) return;
  /* It removes what it has begun, once its input is closed. */
  if (it->ends_by_itself && !it->is_reaped) return;
  if (it->has_group) write_group(it->id, "cgroup.kill", "1");
  kill(-it->pid, SIGKILL);
  /* It may not lead its group yet. */
  if (!it->is_reaped) kill(it->pid, SIGKILL);
}

static bool is_anybody_left(Exec *it) {
  return (it->has_group && is_populated(it->id)) || kill(-it->pid, 0) == 0;
}

static void release(Exec *it) {
  char path[96];
  shut(&it->report);
  shut(&it->input);
  for (int stream = 0; stream < 2; stream += 1) {
    shut(&it->output[stream]);
    free(it->out[stream].bytes);
  }
  free(it->in.bytes);
  group_path(path, sizeof path, it->id, "");
  if (it->has_group) rmdir(path);
  memset(it, 0, sizeof *it);
}

/* Kills it, and forgets it once it is gone. */
static void drop(Exec *it) {
  kill_all(it);
  it->is_dropped = true;
  shut(&it->input);
  shut(&it->output[0]);
  shut(&it->output[1]);
  it->tell_started = it->tell_failed = it->tell_taken = it->tell_exited = false;
}

static void drop_all(void) {
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1)
    if (it->used && !it->is_dropped) drop(it);
}

static Exec *find(uint32_t id) {
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1)
    if (it->used && !it->is_dropped && it->id == id) return it;
  return NULL;
}

static void fail(Exec *it, uint8_t at, int error) {
  it->is_failed = it->tell_failed = true;
  it->failed_at = at;
  it->failed_errno = error;
}

/*
 * Forks right into a control group: to be moved into one later takes the kernel tens of milliseconds. Linux 5.7 can. The layout is that of
 * `struct clone_args`, which not every C library has.
 */
static pid_t fork_into(uint32_t id, bool *has_group) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, group;
  } asked = {.flags = 0x200000000 /* CLONE_INTO_CGROUP */, .exit_signal = SIGCHLD};
  char path[96];
  group_path(path, sizeof path, id, "");
  *has_group = mkdir(path, 0755) == 0;
  int group = *has_group ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (group < 0) return fork();
  asked.group = (uint64_t)group;
  pid_t pid = (pid_t)syscall(SYS_clone3, &asked, sizeof asked);
  int error = errno;
  if (pid != 0) close(group);
  if (pid >= 0 || (error != ENOSYS && error != EINVAL && error != E2BIG)) return pid;
  pid = fork();
  if (pid == 0) write_group(id, "cgroup.procs", "0");
  return pid;
}

static void become(int report, uint8_t flags, char *cwd, char **command, const int streams[3]) {
  struct {
    uint8_t at;
    int error;
  } said = {'c', 0};
  sigset_t none;
  sigemptyset(&none);
  setsid();
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int fd = 0; fd < 3; fd += 1) {
    int from = streams[fd] >= 0 ? streams[fd] : open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(from, fd);
  }
  if (*cwd == 0 || chdir(cwd) == 0) {
    said.at = 'x';
    if (flags & IS_OF_FILES) execv("/proc/self/exe", command);
    else execvp(command[0], command);
  }
  said.error = errno;
  if (write(report, &said, sizeof said) < 0) _exit(126);
  _exit(127);
}

/* Of two ends, none below 3: a program's streams are laid there. */
static bool open_pipe(int *ours, int *theirs, bool is_input) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return false;
  *ours = ends[is_input ? 1 : 0];
  *theirs = ends[is_input ? 0 : 1];
  fcntl(*ours, F_SETFL, O_NONBLOCK);
  return true;
}

/* The body: flags, how many arguments, how many variables, the folder, and these; each text ends with a zero. */
static void start(uint32_t id, uint8_t *body, size_t bytes) {
  Exec *it = NULL;
  for (Exec *each = execs; each < execs + MOST_EXECS; each += 1) {
    if (each->used && each->id == id) return;
    if (!each->used && it == NULL) it = each;
  }
  static Exec refused;
  if (it == NULL) {
    /* The next to be refused has to wait for this one to be told. */
    if (refused.used) return;
    it = &refused;
  }
  if (bytes < 6 || body[bytes - 1] != 0) return;
  size_t words = number(body + 1, 2), variables = number(body + 3, 2);
  char **texts = calloc(words + variables + 2, sizeof *texts);
  char *text = (char *)body + 5;
  uint8_t flags = body[0];
  if (texts == NULL || words == 0) return free(texts);
  char *cwd = text;
  for (size_t at = 0; at < words + variables; at += 1) {
    text += strlen(text) + 1;
    if (text >= (char *)body + bytes) return free(texts);
    texts[at < words ? at : at + 1] = text;
  }
  int streams[3] = {-1, -1, -1}, report = -1;
  memset(it, 0, sizeof *it);
  it->used = true;
  it->id = id;
  it->report = it->input = it->output[0] = it->output[1] = -1;
  bool is_possible = it != &refused && open_pipe(&it->report, &report, false);
  if (!is_possible && it != &refused) errno = EMFILE;
  if (is_possible && (flags & HAS_INPUT)) {
    it->in.bytes = malloc(RING_BYTES);
    is_possible = it->in.bytes != NULL && open_pipe(&it->input, &streams[0], true);
  }
  for (int stream = 0; is_possible && (flags & HAS_OUTPUT) && stream < 2; stream += 1) {
    it->out[stream].bytes = malloc(RING_BYTES);
    is_possible = it->out[stream].bytes != NULL && open_pipe(&it->output[stream], &streams[stream + 1], false);
  }
  if (is_possible) {
    it->ends_by_itself = (flags & IS_OF_FILES) && (flags & HAS_INPUT);
    it->pid = flags & IS_OF_FILES ? fork() : fork_into(id, &it->has_group);
    if (it->pid == 0) {
      for (size_t at = 0; at < variables; at += 1) putenv(texts[words + 1 + at]);
      become(report, flags, cwd, texts, streams);
    }
    is_possible = it->pid > 0;
  }
  if (!is_possible) fail(it, it == &refused ? 'm' : 's', errno);
  shut(&report);
  for (int fd = 0; fd < 3; fd += 1) shut(&streams[fd]);
  if (it == &refused) {
    uint8_t said[HEADER_BYTES + 5] = {0};
    said[HEADER_BYTES] = 'm';
    if (has_room(5)) queue_frame(FAILED, id, said + HEADER_BYTES, 5);
    memset(it, 0, sizeof *it);
  }
  free(texts);
}

/* ---- What the host says. */

static void take_input(Exec *it, uint64_t offset, const uint8_t *bytes, size_t count) {
  Ring *ring = &it->in;
  if (it->input < 0 || ring->bytes == NULL) return;
  /* What comes again after a restore was here already. */
  if (offset > ring->end || offset + count < ring->end) return;
  bytes += ring->end - offset;
  count -= ring->end - offset;
  if (count > RING_BYTES - (ring->end - ring->acked)) return;
  size_t from = ring->end % RING_BYTES, first = count < RING_BYTES - from ? count : RING_BYTES - from;
  memcpy(ring->bytes + from, bytes, first);
  memcpy(ring->bytes, bytes + first, count - first);
  ring->end += count;
}

/* Everything that nobody knows any more is killed: it belonged to a host that is gone, or to the machine that this is a copy of. */
static void attach(const uint8_t *body, size_t bytes) {
  bool known[MOST_EXECS] = {false};
  for (; bytes >= 20; body += 20, bytes -= 20) {
    Exec *it = find((uint32_t)number(body, 4));
    if (it == NULL) continue;
    known[it - execs] = true;
    for (int stream = 0; stream < 2; stream += 1) {
      Ring *ring = &it->out[stream];
      uint64_t acked = number(body + 4 + stream * 8, 8);
      /* It has another past than the host knows. */
      if (acked < ring->acked || acked > ring->end) known[it - execs] = false;
      else ring->acked = ring->sent = acked;
    }
    it->tell_started = it->is_started;
    it->tell_failed = it->is_failed;
    it->tell_taken = true;
    it->tell_exited = it->is_gone && !it->is_failed;
  }
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1)
    if (it->used && !it->is_dropped && !known[it - execs]) drop(it);
  is_attached = tell_attached = true;
}

/* Of the ids of the instance, and of what this one is called: two copies of a machine are not one. */
static void take_identity(const uint8_t *body, size_t bytes) {
  const char *id = (const char *)body;
  if (bytes < 3 || body[bytes - 1] != 0) return;
  const char *name = id + strlen(id) + 1;
  if (name >= (const char *)body + bytes) return;
  const char *machine = name + strlen(name) + 1;
  if (machine >= (const char *)body + bytes) return;
  bool is_other = identity[0] != 0 && strcmp(identity, id) != 0;
  snprintf(identity, sizeof identity, "%.255s", id);
  if (!is_other) return;
  const char *files[][2] = {{"/etc/hostname", name}, {"/etc/machine-id", machine}};
  if (sethostname(name, strlen(name)) < 0) return;
  for (int at = 0; at < 2; at += 1) {
    int fd = open(files[at][0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0) dprintf(fd, "%s\n", files[at][1]), close(fd);
  }
}

static void set_clock(uint64_t nanoseconds) {
  struct timespec then = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
  clock_settime(CLOCK_REALTIME, &then);
}

static void take_frame(uint8_t *frame, size_t bytes) {
  if (bytes < HEADER_BYTES || number(frame + 5, 4) != bytes - HEADER_BYTES) return;
  uint8_t type = frame[0], *body = frame + HEADER_BYTES;
  uint32_t id = (uint32_t)number(frame + 1, 4);
  bytes -= HEADER_BYTES;
  if (type == HELLO && bytes == sizeof nonce) {
    memcpy(nonce, body, sizeof nonce);
    /* What is on its way was for somebody else. */
    out_from = out_to = 0;
    out[out_to++] = 0;
    if (is_attached) alone_since = now_ms();
    is_attached = tell_attached = false;
    tell_hello = true;
    return;
  }
  if (type == CLOCK && bytes == 8) return set_clock(number(body, 8));
  if (type == IDENTITY) return take_identity(body, bytes);
  if (type == ATTACH) return attach(body, bytes);
  if (!is_attached) return;
  if (type == LEAVE) return drop_all();
  if (type == EXEC) return start(id, body, bytes);
  Exec *it = find(id);
  if (it == NULL) return;
  if (type == INPUT && bytes >= 8) take_input(it, number(body, 8), body + 8, bytes - 8);
  if (type == INPUT_END && bytes == 8) {
    it->input_ends = true;
    it->in_end = number(body, 8);
  }
  if (type == ACK && bytes == 9) {
    Ring *ring = &it->out[body[0] & 1];
    uint64_t acked = number(body + 1, 8);
    if (acked > ring->acked && acked <= ring->sent) ring->acked = acked;
  }
  if (type == KILL) kill_all(it);
  if (type == DROP) drop(it);
}

static void take_bytes(uint8_t *bytes, size_t count) {
  for (uint8_t *end = bytes + count; bytes < end;) {
    uint8_t *zero = memchr(bytes, 0, (size_t)(end - bytes));
    size_t run = (size_t)((zero != NULL ? zero : end) - bytes);
    if (run > sizeof frame_in - frame_in_bytes) frame_is_broken = true;
    if (!frame_is_broken) {
      memcpy(frame_in + frame_in_bytes, bytes, run);
      frame_in_bytes += run;
    }
    if (zero == NULL) return;
    ssize_t whole = frame_is_broken ? -1 : unstuffed(frame_in, frame_in_bytes);
    if (whole > 0) take_frame(frame_in, (size_t)whole);
    frame_in_bytes = 0;
    frame_is_broken = false;
    bytes = zero + 1;
  }
}

/* ---- What the host is told. */

static void tell(Exec *it) {
  uint8_t said[HEADER_BYTES + 24], *body = said + HEADER_BYTES;
  if (it->tell_started && has_room(0)) {
    queue_frame(STARTED, it->id, body, 0);
    it->tell_started = false;
  }
  if (it->tell_failed && has_room(5)) {
    body[0] = it->failed_at;
    put(body + 1, (uint64_t)it->failed_errno, 4);
    queue_frame(FAILED, it->id, body, 5);
    it->tell_failed = false;
  }
  if (it->tell_taken && has_room(16)) {
    put(put(body, it->in.end, 8), it->input_gone ? NOBODY_READS : it->in.acked, 8);
    queue_frame(TAKEN, it->id, body, 16);
    it->tell_taken = false;
  }
  if (it->tell_exited && has_room(19) && it->out[0].sent == it->out[0].end && it->out[1].sent == it->out[1].end) {
    body[0] = WIFSIGNALED(it->status);
    put(body + 1, (uint64_t)(WIFSIGNALED(it->status) ? WTERMSIG(it->status) : WEXITSTATUS(it->status)), 1);
    put(put(body + 2, it->out[0].end, 8), it->out[1].end, 8);
    queue_frame(EXITED, it->id, body, 18);
    it->tell_exited = false;
  }
}

static bool tell_output(Exec *it, int stream) {
  static uint8_t said[HEADER_BYTES + 9 + PIECE_BYTES];
  Ring *ring = &it->out[stream];
  size_t count = ring->end - ring->sent > PIECE_BYTES ? PIECE_BYTES : (size_t)(ring->end - ring->sent);
  if (count == 0 || !has_room(count + 9)) return false;
  uint8_t *body = said + HEADER_BYTES;
  body[0] = (uint8_t)stream;
  put(body + 1, ring->sent, 8);
  size_t from = ring->sent % RING_BYTES, first = count < RING_BYTES - from ? count : RING_BYTES - from;
  memcpy(body + 9, ring->bytes + from, first);
  memcpy(body + 9 + first, ring->bytes, count - first);
  queue_frame(OUTPUT, it->id, body, count + 9);
  ring->sent += count;
  return true;
}

/* All that is to be told, as far as there is room: who writes much does not keep others from being heard. */
static void tell_all(void) {
  uint8_t said[HEADER_BYTES + sizeof nonce];
  if (tell_hello && has_room(sizeof nonce)) {
    memcpy(said + HEADER_BYTES, nonce, sizeof nonce);
    queue_frame(HELLO_BACK, 0, said + HEADER_BYTES, sizeof nonce);
    tell_hello = false;
  }
  if (!is_attached) return;
  static uint8_t ids[HEADER_BYTES + MOST_EXECS * 4];
  if (tell_attached && has_room(MOST_EXECS * 4)) {
    uint8_t *to = ids + HEADER_BYTES;
    for (Exec *it = execs; it < execs + MOST_EXECS; it += 1)
      if (it->used && !it->is_dropped) to = put(to, it->id, 4);
    queue_frame(ATTACHED, 0, ids + HEADER_BYTES, (size_t)(to - ids - HEADER_BYTES));
    tell_attached = false;
  }
  if (tell_attached) return;
  static int first;
  first = (first + 1) % MOST_EXECS;
  for (bool is_more = true; is_more;) {
    is_more = false;
    for (int at = 0; at < MOST_EXECS; at += 1) {
      Exec *it = &execs[(first + at) % MOST_EXECS];
      if (!it->used || it->is_dropped) continue;
      if (tell_output(it, 0)) is_more = true;
      if (tell_output(it, 1)) is_more = true;
      tell(it);
    }
  }
}

static void flush(void) {
  while (is_connected && out_from < out_to) {
    ssize_t bytes = write(port_fd, out + out_from, out_to - out_from);
    if (bytes <= 0) return;
    out_from += (size_t)bytes;
  }
}

/* ---- What programs do. */

static void feed(Exec *it) {
  Ring *ring = &it->in;
  while (it->input >= 0 && ring->acked < ring->end) {
    size_t from = ring->acked % RING_BYTES, count = ring->end - ring->acked;
    if (count > RING_BYTES - from) count = RING_BYTES - from;
    ssize_t bytes = write(it->input, ring->bytes + from, count);
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes < 0) {
      it->input_gone = it->tell_taken = true;
      shut(&it->input);
      return;
    }
    ring->acked += (uint64_t)bytes;
    it->tell_taken = true;
  }
  if (it->input_ends && ring->acked == it->in_end) shut(&it->input);
}

/* Whether there was something. */
static bool listen_to(Exec *it, int stream) {
  Ring *ring = &it->out[stream];
  bool was_something = false;
  while (it->output[stream] >= 0 && ring->end - ring->acked < RING_BYTES) {
    size_t from = ring->end % RING_BYTES, room = RING_BYTES - (ring->end - ring->acked);
    if (room > RING_BYTES - from) room = RING_BYTES - from;
    ssize_t bytes = read(it->output[stream], ring->bytes + from, room);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) break;
    was_something = true;
    if (bytes > 0) ring->end += (uint64_t)bytes;
    else shut(&it->output[stream]);
  }
  return was_something;
}

static void hear_report(Exec *it) {
  struct {
    uint8_t at;
    int error;
  } said;
  ssize_t bytes = read(it->report, &said, sizeof said);
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (bytes == sizeof said) fail(it, said.at, said.error);
  else it->is_started = it->tell_started = !it->is_dropped;
  shut(&it->report);
}

static void reap(void) {
  struct signalfd_siginfo info[8];
  while (read(child_fd, info, sizeof info) > 0) continue;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (Exec *it = execs; it < execs + MOST_EXECS; it += 1)
      if (it->used && it->pid == pid && !it->is_reaped) {
        it->is_reaped = true;
        it->status = status;
        it->reaped_ms = now_ms();
      }
}

/* Sees one that has ended to its end: what it left behind is killed, and what all that has written is read. */
static void finish(Exec *it) {
  if (it->pid <= 0) {
    if (it->is_dropped) release(it);
    return;
  }
  if (!it->is_reaped || it->is_gone) {
    if (it->is_gone && it->is_dropped) release(it);
    return;
  }
  if (it->report >= 0) hear_report(it);
  if (!it->is_empty && is_anybody_left(it)) return kill_all(it);
  it->is_empty = true;
  shut(&it->input);
  for (int stream = 0; stream < 2; stream += 1)
    if (listen_to(it, stream)) it->reaped_ms = now_ms();
    else if (it->out[stream].end - it->out[stream].acked < RING_BYTES && now_ms() - it->reaped_ms > LAST_WORDS_MS)
      shut(&it->output[stream]);
  if (!it->is_dropped && (it->output[0] >= 0 || it->output[1] >= 0)) return;
  it->is_gone = true;
  it->tell_exited = !it->is_failed && !it->is_dropped;
  if (it->is_dropped) release(it);
}

/* ---- The port. */

static bool is_hung_up(void) {
  struct pollfd port = {.fd = port_fd, .events = POLLIN};
  return poll(&port, 1, 0) > 0 && (port.revents & POLLHUP) != 0;
}

static void hear_port(void) {
  static uint8_t bytes[64 * 1024];
  for (int times = 0; times < 8; times += 1) {
    ssize_t count = read(port_fd, bytes, sizeof bytes);
    if (count <= 0) break;
    take_bytes(bytes, (size_t)count);
  }
  bool was_connected = is_connected;
  is_connected = !is_hung_up();
  if (is_connected || !was_connected) return;
  if (is_attached) alone_since = now_ms();
  is_attached = false;
}

/* A host that is not there lets `poll` end at once for ever: then only changes are waited for. */
static int find_port(void) {
  DIR *ports = opendir("/sys/class/virtio-ports");
  int found = -1;
  for (struct dirent *entry; ports != NULL && found < 0 && (entry = readdir(ports)) != NULL;) {
    char path[320], name[64] = "";
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t bytes = read(fd, name, sizeof name - 1);
    close(fd);
    if (bytes <= 0 || strncmp(name, PORT_NAME "\n", sizeof PORT_NAME) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    found = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (ports != NULL) closedir(ports);
  return found;
}

static void set_up(void) {
  /* Programs get their streams there. */
  for (int fd = 0; fd < 3;) fd = open("/dev/null", O_RDWR);
  /* The port is there a moment after its driver. */
  for (int tries = 0; port_fd < 0 && tries < 1000; tries += 1) {
    port_fd = find_port();
    if (port_fd < 0) usleep(10 * 1000);
  }
  if (port_fd < 0) {
    fprintf(stderr, "there is no port " PORT_NAME "\n");
    exit(1);
  }
  struct epoll_event change = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  edge_fd = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(edge_fd, EPOLL_CTL_ADD, port_fd, &change);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  child_fd = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  /* Who is left behind comes to be a child of this one, and is reaped. */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (access(GROUPS "/cgroup.procs", W_OK) == 0) mkdir(GROUPS "/rx-instances", 0755);
  alone_since = now_ms();
}

static bool may_say_more(Exec *it, int stream) {
  return it->output[stream] >= 0 && it->out[stream].end - it->out[stream].acked < RING_BYTES;
}

static int next_ms(void) {
  int64_t left = -1;
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1) {
    if (!it->used) continue;
    if (it->is_reaped && !it->is_empty) return 5;
    if (it->is_reaped && (may_say_more(it, 0) || may_say_more(it, 1))) return 100;
    if (!is_attached && !it->is_dropped) left = alone_since + ORPHANED_MS - now_ms();
  }
  return left < -1 ? 0 : (int)left;
}

static void step(void) {
  struct pollfd waits[2 + MOST_EXECS * 4];
  size_t count = 2;
  waits[0] = (struct pollfd){.fd = is_connected ? port_fd : edge_fd, .events = POLLIN};
  if (is_connected && out_from < out_to) waits[0].events |= POLLOUT;
  waits[1] = (struct pollfd){.fd = child_fd, .events = POLLIN};
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1) {
    if (!it->used) continue;
    if (it->report >= 0) waits[count++] = (struct pollfd){.fd = it->report, .events = POLLIN};
    if (it->input >= 0) waits[count++] = (struct pollfd){.fd = it->input, .events = it->in.acked < it->in.end ? POLLOUT : 0};
    for (int stream = 0; stream < 2; stream += 1)
      if (may_say_more(it, stream))
        waits[count++] = (struct pollfd){.fd = it->output[stream], .events = POLLIN};
  }
  poll(waits, count, next_ms());
  struct epoll_event change;
  if (!is_connected) epoll_wait(edge_fd, &change, 1, 0);
  hear_port();
  reap();
  if (!is_attached && now_ms() - alone_since > ORPHANED_MS) drop_all();
  for (Exec *it = execs; it < execs + MOST_EXECS; it += 1) {
    if (!it->used) continue;
    if (it->report >= 0) hear_report(it);
    struct pollfd reader = {.fd = it->input, .events = 0};
    if (it->input >= 0 && poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) {
      it->input_gone = it->tell_taken = true;
      shut(&it->input);
    }
    feed(it);
    listen_to(it, 0);
    listen_to(it, 1);
    finish(it);
  }
  do {
    tell_all();
    size_t before = out_to - out_from;
    flush();
    if (before == out_to - out_from) break;
  } while (out_from == out_to && is_connected);
}

int main(int count, char **words) {
  if (count > 1) return work_on_files(count - 1, words + 1);
  set_up();
  for (;;) step();
}
