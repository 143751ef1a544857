/* Many NT hashes against one NTLMv2 response: HMAC-MD5 (RFC 1321, RFC 2104) of LANES keys at a time.

   derive(hashes, identity)        -> for each hash of 16 bytes, HMAC-MD5(hash, identity)      (MS-NLMP 3.3.2, NTOWFv2)
   search(keys, message, proof)    -> the number of the first key with HMAC-MD5(key, message) == proof, or -1

   The arithmetic is written as loops over lanes, which compilers turn into vector instructions. ntlm_sweep.py has the same functions
   in Python, for installations without a compiler; a test compares them. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define LANES 16

typedef uint32_t lane_t[LANES];

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define WIDEST __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WIDEST
#endif

static const uint32_t K[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
    0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
    0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
    0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
    0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
    0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))

#define STEP(f, a, b, c, d, word, constant, s)                                              \
    for (int l = 0; l < LANES; l++) {                                                       \
        uint32_t t = a[l] + f(b[l], c[l], d[l]) + (word) + (constant);                      \
        a[l] = ((t << (s)) | (t >> (32 - (s)))) + b[l];                                     \
    }

#define FOUR(f, i, g0, g1, g2, g3, s0, s1, s2, s3)                                          \
    STEP(f, a, b, c, d, WORD(g0), K[i], s0)                                                 \
    STEP(f, d, a, b, c, WORD(g1), K[i + 1], s1)                                             \
    STEP(f, c, d, a, b, WORD(g2), K[i + 2], s2)                                             \
    STEP(f, b, c, d, a, WORD(g3), K[i + 3], s3)

#define ROUNDS                                                                              \
    FOUR(F, 0, 0, 1, 2, 3, 7, 12, 17, 22)                                                   \
    FOUR(F, 4, 4, 5, 6, 7, 7, 12, 17, 22)                                                   \
    FOUR(F, 8, 8, 9, 10, 11, 7, 12, 17, 22)                                                 \
    FOUR(F, 12, 12, 13, 14, 15, 7, 12, 17, 22)                                              \
    FOUR(G, 16, 1, 6, 11, 0, 5, 9, 14, 20)                                                  \
    FOUR(G, 20, 5, 10, 15, 4, 5, 9, 14, 20)                                                 \
    FOUR(G, 24, 9, 14, 3, 8, 5, 9, 14, 20)                                                  \
    FOUR(G, 28, 13, 2, 7, 12, 5, 9, 14, 20)                                                 \
    FOUR(H, 32, 5, 8, 11, 14, 4, 11, 16, 23)                                                \
    FOUR(H, 36, 1, 4, 7, 10, 4, 11, 16, 23)                                                 \
    FOUR(H, 40, 13, 0, 3, 6, 4, 11, 16, 23)                                                 \
    FOUR(H, 44, 9, 12, 15, 2, 4, 11, 16, 23)                                                \
    FOUR(I, 48, 0, 7, 14, 5, 6, 10, 15, 21)                                                 \
    FOUR(I, 52, 12, 3, 10, 1, 6, 10, 15, 21)                                                \
    FOUR(I, 56, 8, 15, 6, 13, 6, 10, 15, 21)                                                \
    FOUR(I, 60, 4, 11, 2, 9, 6, 10, 15, 21)

#define ENTER                                                                               \
    lane_t a, b, c, d;                                                                      \
    memcpy(a, state[0], sizeof(a));                                                         \
    memcpy(b, state[1], sizeof(b));                                                         \
    memcpy(c, state[2], sizeof(c));                                                         \
    memcpy(d, state[3], sizeof(d));

#define LEAVE                                                                               \
    for (int l = 0; l < LANES; l++) {                                                       \
        state[0][l] += a[l];                                                                \
        state[1][l] += b[l];                                                                \
        state[2][l] += c[l];                                                                \
        state[3][l] += d[l];                                                                \
    }

/* One block that is another one in every lane. */
WIDEST static void blocks(lane_t state[4], lane_t words[16])
{
    ENTER
#define WORD(g) words[g][l]
    ROUNDS
#undef WORD
    LEAVE
}

/* One block that is the same in every lane. */
WIDEST static void block(lane_t state[4], const uint32_t words[16])
{
    ENTER
#define WORD(g) words[g]
    ROUNDS
#undef WORD
    LEAVE
}

static void begin(lane_t state[4])
{
    for (int l = 0; l < LANES; l++) {
        state[0][l] = 0x67452301;
        state[1][l] = 0xefcdab89;
        state[2][l] = 0x98badcfe;
        state[3][l] = 0x10325476;
    }
}

static uint32_t little(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The state after the key's block, each key XORed with a byte of the pad. */
static void keyed(lane_t state[4], const unsigned char *keys, uint32_t pad)
{
    lane_t words[16];
    for (int w = 0; w < 16; w++)
        for (int l = 0; l < LANES; l++)
            words[w][l] = (w < 4 ? little(keys + 16 * l + 4 * w) : 0) ^ pad;
    begin(state);
    blocks(state, words);
}

/* HMAC-MD5 of LANES keys of 16 bytes; the message is padded already, behind a block that is the key's. */
static void hmac_md5(lane_t out[4], const unsigned char *keys, const uint32_t *message, Py_ssize_t count)
{
    lane_t inner[4], words[16];
    keyed(inner, keys, 0x36363636);
    for (Py_ssize_t i = 0; i < count; i++)
        block(inner, message + 16 * i);
    keyed(out, keys, 0x5c5c5c5c);
    memset(words, 0, sizeof(words));
    memcpy(words, inner, sizeof(inner));
    for (int l = 0; l < LANES; l++) {
        words[4][l] = 0x80;
        words[14][l] = (64 + 16) * 8;
    }
    blocks(out, words);
}

/* The message with MD5's padding as words, its length counted from the key's block on; NULL without memory. */
static uint32_t *padded(const Py_buffer *message, Py_ssize_t *count)
{
    Py_ssize_t size = message->len;
    *count = (size + 8) / 64 + 1;
    unsigned char *bytes = PyMem_Calloc((size_t)*count, 64);
    uint32_t *words = PyMem_Malloc((size_t)*count * 64);
    if (bytes == NULL || words == NULL) {
        PyMem_Free(bytes);
        PyMem_Free(words);
        return NULL;
    }
    memcpy(bytes, message->buf, (size_t)size);
    bytes[size] = 0x80;
    uint64_t bits = ((uint64_t)size + 64) * 8;
    for (int i = 0; i < 8; i++)
        bytes[*count * 64 - 8 + i] = (unsigned char)(bits >> 8 * i);
    for (Py_ssize_t i = 0; i < *count * 16; i++)
        words[i] = little(bytes + 4 * i);
    PyMem_Free(bytes);
    return words;
}

/* LANES keys from `place` on; behind the last one zeros. */
static const unsigned char *lanes(const Py_buffer *keys, Py_ssize_t place, unsigned char room[16 * LANES])
{
    Py_ssize_t left = keys->len / 16 - place;
    const unsigned char *from = (const unsigned char *)keys->buf + 16 * place;
    if (left >= LANES)
        return from;
    memset(room, 0, 16 * LANES);
    memcpy(room, from, (size_t)(16 * left));
    return room;
}

static PyObject *derive(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer keys, message;
    if (!PyArg_ParseTuple(args, "y*y*", &keys, &message))
        return NULL;
    Py_ssize_t blocks_count, count = keys.len / 16;
    uint32_t *words = padded(&message, &blocks_count);
    PyObject *made = words == NULL ? PyErr_NoMemory() : PyBytes_FromStringAndSize(NULL, 16 * count);
    if (made != NULL) {
        unsigned char *into = (unsigned char *)PyBytes_AS_STRING(made), room[16 * LANES];
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t place = 0; place < count; place += LANES) {
            lane_t out[4];
            hmac_md5(out, lanes(&keys, place, room), words, blocks_count);
            for (int l = 0; l < LANES && place + l < count; l++)
                for (int w = 0; w < 4; w++)
                    for (int i = 0; i < 4; i++)
                        into[16 * (place + l) + 4 * w + i] = (unsigned char)(out[w][l] >> 8 * i);
        }
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(words);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&message);
    return made;
}

static PyObject *search(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer keys, message, proof;
    if (!PyArg_ParseTuple(args, "y*y*y*", &keys, &message, &proof))
        return NULL;
    Py_ssize_t found = -1, blocks_count, count = keys.len / 16;
    uint32_t *words = proof.len == 16 ? padded(&message, &blocks_count) : NULL;
    if (words == NULL) {
        if (proof.len == 16)
            PyErr_NoMemory();
        else
            PyErr_SetString(PyExc_ValueError, "a proof has 16 bytes");
    } else {
        uint32_t wanted[4];
        unsigned char room[16 * LANES];
        for (int w = 0; w < 4; w++)
            wanted[w] = little((const unsigned char *)proof.buf + 4 * w);
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t place = 0; place < count && found < 0; place += LANES) {
            lane_t out[4];
            hmac_md5(out, lanes(&keys, place, room), words, blocks_count);
            for (int l = 0; l < LANES && place + l < count; l++)
                if (out[0][l] == wanted[0] && out[1][l] == wanted[1] && out[2][l] == wanted[2] && out[3][l] == wanted[3]) {
                    found = place + l;
                    break;
                }
        }
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(words);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&message);
    PyBuffer_Release(&proof);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(found);
}

static PyMethodDef METHODS[] = {{"derive", derive, METH_VARARGS, NULL}, {"search", search, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_sweep", NULL, 0, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__sweep(void)
{
    return PyModule_Create(&MODULE);
}
