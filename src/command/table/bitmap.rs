//! Bits of strings.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Bitmap, name, arity, summary).acl(&[Acl::BITMAP])
}

pub(super) const COMMANDS: &[Row] = &[
    row("bitcount", -2, "Number of bits that are set.")
        .since("2.6.0")
        .complexity("O(N), N the bytes")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block(
                "index",
                &[
                    integer("start"),
                    integer("end"),
                    one_of("index_unit", &[token("BYTE"), token("BIT")]).optional().since("7.0.0"),
                ],
            )
            .optional(),
        ]),
    row("bitfield", -2, "Read and change integers of any width inside a string.")
        .since("3.2.0")
        .complexity("O(N), N the parts")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS]).notes("depends on the parts")])
        .keys_by_code(ByCode::Bitfield)
        .args(&[
            key("key", 0),
            one_of(
                "operation",
                &[
                    block("encoding_offset", &[string("encoding"), integer("offset")]).after("GET"),
                    block(
                        "write",
                        &[
                            one_of("wrap_sat_fail", &[token("WRAP"), token("SAT"), token("FAIL")])
                                .after("OVERFLOW")
                                .optional(),
                            one_of(
                                "write_operation",
                                &[
                                    block(
                                        "encoding_offset_value",
                                        &[string("encoding"), integer("offset"), integer("value")],
                                    )
                                    .after("SET"),
                                    block(
                                        "encoding_offset_increment",
                                        &[string("encoding"), integer("offset"), integer("increment")],
                                    )
                                    .after("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ]),
    row("bitfield_ro", -2, "Read integers of any width inside a string.")
        .since("6.0.0")
        .complexity("O(N), N the parts")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            block("encoding_offset", &[string("encoding"), integer("offset")])
                .after("GET")
                .optional()
                .multiple_token(),
        ]),
    row("bitop", -4, "Combine strings bit by bit and store the result.")
        .takes_long()
        .since("2.6.0")
        .complexity("O(N), N the bytes")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(2, &[OW, UPDATE]), range(3, -1, 1, &[RO, ACCESS])])
        .args(&[string("operation"), key("destkey", 0), key("key", 1).multiple()]),
    row("bitpos", -3, "Position of the first bit that is set or clear.")
        .since("2.8.7")
        .complexity("O(N), N the bytes")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            integer("bit"),
            block(
                "index",
                &[
                    integer("start"),
                    block(
                        "end_index",
                        &[
                            integer("end"),
                            one_of("index_unit", &[token("BYTE"), token("BIT")]).optional().since("7.0.0"),
                        ],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ]),
    row("getbit", 3, "One bit of a string.")
        .since("2.2.0")
        .flags(&[READONLY, FAST])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), integer("offset")]),
    row("setbit", 4, "Set or clear one bit of a string.")
        .since("2.2.0")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, ACCESS, UPDATE])])
        .args(&[key("key", 0), integer("offset"), integer("value")]),
];
