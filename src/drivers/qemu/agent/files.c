/*
 * Files of the guest, for the host. The agent runs itself anew for each thing that is done with one, so that none that waits for a disk holds
 * up anything else: what is read comes by the output, what is written by the input, and the exit code is an errno, 0 where it was done. No link is followed,
 * and nothing is opened but plain files and directories: each part of a path is opened in the one before.
 */
#define _GNU_SOURCE
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024, RECORD_BYTES = 23 };

static const int FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* What lies in a folder; the folder itself where the name is empty. */
typedef struct {
  int folder;
  const char *name;
} Place;

static uint8_t said[PIECE_BYTES];
static size_t said_bytes;

static _Noreturn void fail(int error) {
  _exit(error > 0 && error < 256 ? error : EIO);
}

static void write_all(int fd, const uint8_t *from, size_t count) {
  while (count > 0) {
    ssize_t bytes = write(fd, from, count);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) fail(errno);
    from += bytes;
    count -= (size_t)bytes;
  }
}

static void tell(const void *bytes, size_t count) {
  if (count > sizeof said - said_bytes) {
    write_all(STDOUT_FILENO, said, said_bytes);
    said_bytes = 0;
  }
  memcpy(said + said_bytes, bytes, count);
  said_bytes += count;
}

static void tell_number(uint64_t value, int bytes) {
  for (; bytes > 0; bytes -= 1, value >>= 8) tell(&(uint8_t){(uint8_t)value}, 1);
}

/* What was told until now is heard now. */
static void flush(void) {
  write_all(STDOUT_FILENO, said, said_bytes);
  said_bytes = 0;
}

/* It is there and was opened: the host is told so before anything else. */
static void tell_begun(void) {
  tell_number(0, 1);
  flush();
}

/* ---- Paths. */

static int enter(int folder, const char *part, size_t bytes) {
  char name[256];
  if (bytes >= sizeof name) fail(ENAMETOOLONG);
  memcpy(name, part, bytes);
  name[bytes] = 0;
  int next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (next < 0) fail(errno);
  if (folder >= 0) close(folder);
  return next;
}

static Place find(const char *path) {
  Place place = {.folder = enter(-1, "/", 1), .name = path};
  for (const char *slash; (slash = strchr(place.name, '/')) != NULL; place.name = slash + 1)
    place.folder = enter(place.folder, place.name, (size_t)(slash - place.name));
  return place;
}

/* The top lies in nothing. */
static Place find_below(const char *path, int error) {
  if (*path == 0) fail(error);
  return find(path);
}

static struct stat look_at(Place place) {
  struct stat found;
  if (fstatat(place.folder, place.name, &found, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) < 0) fail(errno);
  return found;
}

static int open_folder(Place place) {
  int folder = openat(place.folder, *place.name == 0 ? "." : place.name, FOLDER);
  if (folder < 0) fail(errno);
  return folder;
}

/* ---- What is told of one: kind, mode, size, when it was changed (ms), lengths of its name and of where it leads, and these. */

static void tell_found(const struct stat *found, const char *name, Place link) {
  char target[4096];
  ssize_t leads = S_ISLNK(found->st_mode) ? readlinkat(link.folder, link.name, target, sizeof target) : 0;
  if (leads < 0) leads = 0;
  size_t named = strlen(name);
  if (sizeof said - said_bytes < RECORD_BYTES + named + (size_t)leads) flush();
  tell_number(S_ISREG(found->st_mode) ? 'f' : S_ISDIR(found->st_mode) ? 'd' : S_ISLNK(found->st_mode) ? 'l' : 'o', 1);
  tell_number(found->st_mode & 07777, 2);
  tell_number((uint64_t)found->st_size, 8);
  tell_number((uint64_t)(found->st_mtim.tv_sec * 1000 + (found->st_mtim.tv_nsec + 500000) / 1000000), 8);
  tell_number(named, 2);
  tell_number((uint64_t)leads, 2);
  tell(name, named);
  tell(target, (size_t)leads);
}

static void tell_place(Place place) {
  struct stat found = look_at(place);
  tell_found(&found, "", place);
}

static void tell_open(int fd) {
  tell_place((Place){.folder = fd, .name = ""});
}

static bool is_own_name(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void list(const char *path) {
  DIR *entries = fdopendir(open_folder(find(path)));
  if (entries == NULL) fail(errno);
  for (struct dirent *entry; errno = 0, (entry = readdir(entries)) != NULL;) {
    if (is_own_name(entry->d_name)) continue;
    Place place = {.folder = dirfd(entries), .name = entry->d_name};
    struct stat found;
    if (fstatat(place.folder, place.name, &found, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0) tell_found(&found, place.name, place);
    /* Else it is gone by now. */
    else if (errno != ENOENT) fail(errno);
  }
  if (errno != 0) fail(errno);
}

/* ---- Content. */

/* A pipe would make it wait, and there are devices that are set off when they are opened. */
static int open_plain(Place place) {
  int held = openat(place.folder, place.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat found;
  if (held < 0 || fstat(held, &found) < 0) fail(errno);
  if (S_ISLNK(found.st_mode)) fail(ELOOP);
  if (!S_ISREG(found.st_mode)) fail(S_ISDIR(found.st_mode) ? EISDIR : EINVAL);
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", held);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) fail(errno);
  return fd;
}

static void read_content(const char *path) {
  int fd = open_plain(find_below(path, EISDIR));
  tell_begun();
  for (;;) {
    ssize_t bytes = read(fd, said, sizeof said);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) fail(errno);
    if (bytes == 0) return;
    write_all(STDOUT_FILENO, said, (size_t)bytes);
  }
}

/* A file that is not in its place yet. */
typedef struct {
  Place place;
  char name[32];
  int fd;
} Part;

static _Noreturn void give_up(Part *part, int error) {
  unlinkat(part->place.folder, part->name, 0);
  fail(error);
}

static bool read_all(uint8_t *to, size_t count) {
  while (count > 0) {
    ssize_t bytes = read(STDIN_FILENO, to, count);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return false;
    to += bytes;
    count -= (size_t)bytes;
  }
  return true;
}

/* The input is pieces, each after its length, and ends with one of no length: where it ends without that, all was given up. */
static void take_content(Part *part) {
  static uint8_t piece[PIECE_BYTES];
  for (;;) {
    uint8_t length[8];
    if (!read_all(length, sizeof length)) give_up(part, ECANCELED);
    uint64_t left = 0;
    for (int at = 8; at-- > 0;) left = left << 8 | length[at];
    if (left == 0) return;
    while (left > 0) {
      size_t count = left < sizeof piece ? (size_t)left : sizeof piece;
      if (!read_all(piece, count)) give_up(part, ECANCELED);
      for (size_t from = 0; from < count;) {
        ssize_t bytes = write(part->fd, piece + from, count - from);
        if (bytes < 0 && errno != EINTR) give_up(part, errno);
        if (bytes > 0) from += (size_t)bytes;
      }
      left -= count;
    }
  }
}

static void write_content(const char *path, const char *asked) {
  Part part = {.place = find_below(path, EISDIR)};
  struct stat before;
  bool is_there = fstatat(part.place.folder, part.place.name, &before, AT_SYMLINK_NOFOLLOW) == 0;
  if (!is_there && errno != ENOENT) fail(errno);
  if (is_there && S_ISDIR(before.st_mode)) fail(EISDIR);
  mode_t mode = is_there && S_ISREG(before.st_mode) ? before.st_mode & 0777 : 0644;
  if (*asked != 0) mode = (mode_t)strtoul(asked, NULL, 8);
  uint64_t random = 0;
  if (getrandom(&random, 6, 0) != 6) fail(EIO);
  snprintf(part.name, sizeof part.name, ".%012llx.part", (unsigned long long)random);
  part.fd = openat(part.place.folder, part.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (part.fd < 0) fail(errno);
  /* From here on nothing ends it but itself: whoever gives it up closes its input. */
  if (write(STDOUT_FILENO, "", 1) != 1) give_up(&part, errno);
  take_content(&part);
  if (fchmod(part.fd, mode) < 0) give_up(&part, errno);
  if (renameat(part.place.folder, part.name, part.place.folder, part.place.name) < 0) give_up(&part, errno);
  tell_open(part.fd);
}

/* ---- Directories. */

static int make_folder(Place place, mode_t mode, bool is_content) {
  if (mkdirat(place.folder, place.name, 0700) < 0) {
    if (!is_content || errno != EEXIST) fail(errno);
    return open_folder(place);
  }
  int made = open_folder(place);
  if (fchmod(made, mode) < 0) fail(errno);
  return made;
}

static void make(const char *path, const char *asked, bool is_recursive) {
  mode_t mode = (mode_t)strtoul(asked, NULL, 8);
  if (!is_recursive) return tell_open(make_folder(find_below(path, EISDIR), mode, false));
  int folder = enter(-1, "/", 1);
  for (char name[256]; *path != 0;) {
    size_t bytes = strcspn(path, "/");
    if (bytes >= sizeof name) fail(ENAMETOOLONG);
    memcpy(name, path, bytes);
    name[bytes] = 0;
    int next = make_folder((Place){.folder = folder, .name = name}, mode, true);
    close(folder);
    folder = next;
    path += bytes + (path[bytes] == '/');
  }
  tell_open(folder);
}

static void remove_entry(Place place, dev_t device);

/* A large one is gone through again: what is removed meanwhile can hide what comes after it. */
static void clear(int folder, dev_t device) {
  DIR *entries = fdopendir(folder);
  if (entries == NULL) fail(errno);
  for (bool is_more = true; is_more; rewinddir(entries)) {
    is_more = false;
    for (struct dirent *entry; errno = 0, (entry = readdir(entries)) != NULL;) {
      if (is_own_name(entry->d_name)) continue;
      remove_entry((Place){.folder = dirfd(entries), .name = entry->d_name}, device);
      is_more = true;
    }
    if (errno != 0) fail(errno);
  }
  closedir(entries);
}

/* Nothing of another file system is removed. */
static void remove_entry(Place place, dev_t device) {
  if (unlinkat(place.folder, place.name, 0) == 0 || errno == ENOENT) return;
  int error = errno;
  int folder = error == EISDIR || error == EPERM ? openat(place.folder, place.name, FOLDER) : -1;
  if (folder < 0) fail(error);
  struct stat found;
  if (fstat(folder, &found) < 0) fail(errno);
  if (found.st_dev != device) fail(EXDEV);
  clear(folder, device);
  if (unlinkat(place.folder, place.name, AT_REMOVEDIR) < 0 && errno != ENOENT) fail(errno);
}

static void remove_it(const char *path, bool is_recursive) {
  Place place = find_below(path, EISDIR);
  struct stat found = look_at(place);
  tell_found(&found, "", place);
  /* One descriptor for each that it is within. */
  struct rlimit most = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
  setrlimit(RLIMIT_NOFILE, &most);
  struct stat around;
  if (fstat(place.folder, &around) < 0) fail(errno);
  if (is_recursive) return remove_entry(place, around.st_dev);
  if (unlinkat(place.folder, place.name, S_ISDIR(found.st_mode) ? AT_REMOVEDIR : 0) < 0) fail(errno);
}

static void move(const char *from, const char *to) {
  Place one = find_below(from, EISDIR);
  tell_begun();
  Place other = find_below(to, EEXIST);
  if (renameat(one.folder, one.name, other.folder, other.name) < 0) fail(errno);
  tell_place(other);
}

int work_on_files(int count, char **words) {
  const char *verb = words[0], *path = count > 1 ? words[1] : "", *option = count > 2 ? words[2] : "";
  bool is_recursive = strcmp(words[count - 1], "recursive") == 0;
  /* It says so itself. */
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  if (strcmp(verb, "stat") == 0) tell_place(find(path));
  else if (strcmp(verb, "list") == 0) list(path);
  else if (strcmp(verb, "read") == 0) read_content(path);
  else if (strcmp(verb, "write") == 0) write_content(path, option);
  else if (strcmp(verb, "mkdir") == 0) make(path, option, is_recursive);
  else if (strcmp(verb, "remove") == 0) remove_it(path, is_recursive);
  else if (strcmp(verb, "rename") == 0) move(path, option);
  else return ENOSYS;
  flush();
  return 0;
}
