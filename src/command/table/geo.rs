//! Places on earth, kept in sorted sets.

use super::words::*;

const fn row(name: &'static str, arity: i16, summary: &'static str) -> Row {
    command(Group::Geo, name, arity, summary).acl(&[Acl::GEO])
}

pub(super) const COMMANDS: &[Row] = &[
    row("geoadd", -5, "Add places by longitude and latitude.")
        .since("3.2.0")
        .complexity("O(log(N)) per element, N the size of the set")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RW, UPDATE])])
        .args(&[
            key("key", 0),
            one_of("condition", &[token("NX"), token("XX")]).optional().since("6.2.0"),
            token("CH").named("change").optional().since("6.2.0"),
            block("longitude_latitude_member", &[double("longitude"), double("latitude"), string("member")])
                .multiple(),
        ]),
    row("geodist", -4, "Distance between two places.")
        .since("3.2.0")
        .complexity("O(log(N)), N the size of the set")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            string("member1"),
            string("member2"),
            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]).optional(),
        ]),
    row("geohash", -2, "Geohash texts of places.")
        .since("3.2.0")
        .complexity("O(log(N)) per member, N the size of the set")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("geopos", -2, "Longitude and latitude of places.")
        .since("3.2.0")
        .complexity("O(N*log(M)), N the members asked for, M the size of the set")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[key("key", 0), string("member").multiple()]),
    row("georadius", -6, "Places within a radius around a point; can be stored.")
        .since("3.2.0")
        .complexity("O(N+log(M)), N the places around the circle, M all places")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RO, ACCESS]), after("STORE", 6, &[OW, UPDATE]), after("STOREDIST", 6, &[OW, UPDATE])])
        .deprecated("6.2.0", "GEOSEARCH or GEOSEARCHSTORE with BYRADIUS")
        .args(&[
            key("key", 0),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
            token("WITHCOORD").optional(),
            token("WITHDIST").optional(),
            token("WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional().since("6.2.0")])
                .optional(),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            key("key", 1).after("STORE").optional(),
            key("key", 2).after("STOREDIST").optional(),
        ]),
    row("georadius_ro", -6, "Places within a radius around a point.")
        .since("3.2.10")
        .complexity("O(N+log(M)), N the places around the circle, M all places")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "GEOSEARCH with BYRADIUS")
        .args(&[
            key("key", 0),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
            token("WITHCOORD").optional(),
            token("WITHDIST").optional(),
            token("WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional().since("6.2.0")])
                .optional(),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
        ]),
    row("georadiusbymember", -5, "Places within a radius around another place; can be stored.")
        .since("3.2.0")
        .complexity("O(N+log(M)), N the places around the circle, M all places")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[RO, ACCESS]), after("STORE", 5, &[OW, UPDATE]), after("STOREDIST", 5, &[OW, UPDATE])])
        .deprecated("6.2.0", "GEOSEARCH or GEOSEARCHSTORE with BYRADIUS and FROMMEMBER")
        .args(&[
            key("key", 0),
            string("member"),
            double("radius"),
            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
            token("WITHCOORD").optional(),
            token("WITHDIST").optional(),
            token("WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional()]).optional(),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            key("key", 1).after("STORE").optional(),
            key("key", 2).after("STOREDIST").optional(),
        ]),
    row("georadiusbymember_ro", -5, "Places within a radius around another place.")
        .since("3.2.10")
        .complexity("O(N+log(M)), N the places around the circle, M all places")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .deprecated("6.2.0", "GEOSEARCH with BYRADIUS and FROMMEMBER")
        .args(&[
            key("key", 0),
            string("member"),
            double("radius"),
            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
            token("WITHCOORD").optional(),
            token("WITHDIST").optional(),
            token("WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional()]).optional(),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
        ]),
    row("geosearch", -7, "Places inside a circle or a box.")
        .since("6.2.0")
        .complexity("O(N+log(M)), N the places in the area's cells, M those in the area")
        .flags(&[READONLY])
        .keys(&[at(1, &[RO, ACCESS])])
        .args(&[
            key("key", 0),
            one_of(
                "from",
                &[
                    string("member").after("FROMMEMBER"),
                    block("longitude_latitude", &[double("longitude"), double("latitude")])
                        .after("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").after("BYRADIUS"),
                            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").after("BYBOX"),
                            double("height"),
                            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional()]).optional(),
            token("WITHCOORD").optional(),
            token("WITHDIST").optional(),
            token("WITHHASH").optional(),
        ]),
    row("geosearchstore", -8, "Store the places inside a circle or a box.")
        .takes_long()
        .since("6.2.0")
        .complexity("O(N+log(M)), N the places in the area's cells, M those in the area")
        .flags(&[WRITE, DENYOOM])
        .keys(&[at(1, &[OW, UPDATE]), at(2, &[RO, ACCESS])])
        .args(&[
            key("destination", 0),
            key("source", 1),
            one_of(
                "from",
                &[
                    string("member").after("FROMMEMBER"),
                    block("longitude_latitude", &[double("longitude"), double("latitude")])
                        .after("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").after("BYRADIUS"),
                            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").after("BYBOX"),
                            double("height"),
                            one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("ASC"), token("DESC")]).optional(),
            block("count", &[integer("count").after("COUNT"), token("ANY").optional()]).optional(),
            token("STOREDIST").optional(),
        ]),
];
