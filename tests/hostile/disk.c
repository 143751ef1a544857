/* A disk that fails at the n-th call: put in front of the C library by LD_PRELOAD, so that whatever writes (Python, DuckDB, SQLite) is met.

   Only calls below one folder count, and only after disk_arm(). What a call does from the n-th on:
   0  nothing: the calls are counted
   1  the disk is full: nothing is created and nothing written any more; renaming and removing still work, as on a real one
   2  the n-th call alone fails, with an input/output error
   3  the process is killed before the n-th call
   4  as 3, but a write is half done first */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[4096];
static long place, calls;
static int what = -1;

void disk_arm(const char *folder, long n, int mode) {
    strncpy(below, folder, sizeof below - 1);
    place = n;
    calls = 0;
    what = mode;
}

long disk_calls(void) { return calls; }

static int is_below(const char *path) { return what >= 0 && path && !strncmp(path, below, strlen(below)); }

static int is_below_at(int folder, const char *path) {
    if (what < 0 || !path) return 0;
    if (path[0] == '/' || folder == AT_FDCWD) return is_below(path);
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t size = readlink(link, name, sizeof name - 1);
    if (size < 0) return 0;
    name[size] = 0;
    return is_below(name);
}

static int is_below_fd(int fd) {
    if (what < 0) return 0;
    return is_below_at(fd, "");
}

/* 0: go on; else the call fails with this error */
static int met(int grows) {
    calls++;
    if (what == 3 && calls == place) kill(getpid(), SIGKILL);
    if (what == 2 && calls == place) return EIO;
    if (what == 1 && calls >= place && grows) return ENOSPC;
    return 0;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define FAIL(grows) do { int why = met(grows); if (why) { errno = why; return -1; } } while (0)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_below(path)) FAIL(flags & O_CREAT); \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_below_at(folder, path)) FAIL(flags & O_CREAT); \
        return real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (is_below_fd(fd)) {
        if (what == 4 && calls + 1 == place) { real(fd, data, size / 2); kill(getpid(), SIGKILL); }
        FAIL(1);
    }
    return real(fd, data, size);
}

#define PWRITE(name, at) \
    ssize_t name(int fd, const void *data, size_t size, at offset) { \
        REAL(ssize_t, name, int, const void *, size_t, at); \
        if (is_below_fd(fd)) { \
            if (what == 4 && calls + 1 == place) { real(fd, data, size / 2, offset); kill(getpid(), SIGKILL); } \
            FAIL(1); \
        } \
        return real(fd, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (is_below_fd(fd)) FAIL(1);
    return real(fd, pieces, count);
}

int fsync(int fd) { REAL(int, fsync, int); if (is_below_fd(fd)) FAIL(0); return real(fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); if (is_below_fd(fd)) FAIL(0); return real(fd); }
int ftruncate(int fd, off_t size) { REAL(int, ftruncate, int, off_t); if (is_below_fd(fd)) FAIL(1); return real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(int, ftruncate64, int, off64_t); if (is_below_fd(fd)) FAIL(1); return real(fd, size); }
int mkdir(const char *path, mode_t mode) { REAL(int, mkdir, const char *, mode_t); if (is_below(path)) FAIL(1); return real(path, mode); }
int rename(const char *from, const char *to) { REAL(int, rename, const char *, const char *); if (is_below(to)) FAIL(0); return real(from, to); }
int link(const char *from, const char *to) { REAL(int, link, const char *, const char *); if (is_below(to)) FAIL(1); return real(from, to); }
int unlink(const char *path) { REAL(int, unlink, const char *); if (is_below(path)) FAIL(0); return real(path); }
int rmdir(const char *path) { REAL(int, rmdir, const char *); if (is_below(path)) FAIL(0); return real(path); }
int unlinkat(int folder, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (is_below_at(folder, path)) FAIL(0);
    return real(folder, path, flags);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *);
    if (is_below_at(b, to)) FAIL(0);
    return real(a, from, b, to);
}
