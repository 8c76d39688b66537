// Known answers: envelopes and blind indexes that were computed by another program.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

enum KnownEnvelope {
    /// Suite 0x0101, made with ``RecordedRandom``.
    static let aes256GCM =
        Fixture.bytes(
            hex: """
                435645310100010111111111111111111111111111111111aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00000000\
                00000005000000070000000100010004000001ac4746028c93af36da2c7c97c0cc571e5e846b379813d7c057\
                1c14ca972357858a9d3672ed1696b72d9efeb79386d65ceff472c5d65e63a76228e51c200001000000200000\
                b84da03e71dff149203979dbbaf8cd7d02caf9038c8fef1e8f3ef8cd0002000000200000d0196b564f514126\
                9a465fea417716820f63d04115621ebea25a940900020001002000006afed777c78c3cb3807c837aa646c9b1\
                1c84c7478598b15565dfe6070003000000200000ad422dc2299ba53ac3b982989de44fa6c4ce1b4c1f4094cf\
                f192d738b7163daca9f6302b222a8e2803c82dd6df09b2dfc2f0bede03a9d01a53d8b178c08840a4f8be66f7\
                3457637172d93b980d49204e509e7a0fce5a206fd14a472d95803cfed2423c2155a2834042209efd30adb4ba\
                ab1568b1d8913d70566c5a2f7b4a9e62279ceda55b7a13964892c3fec1cb28222d5ca1dad675fe6f0f78fc72\
                71abcfae7db73574ed02cb4828ffc5095a69b943fca1e889304ef2689e727a7b
                """)

    /// Suite 0x0201, which this build recognises and does not open.
    static let sm4 =
        Fixture.bytes(
            hex: """
                435645310100020111111111111111111111111111111111aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00000000\
                0000000500000007000000010001000400000210d4adf327d646928aa7cc275442bd05ff687f6cc79e056b3c\
                47ccd84ea50d50bfeba6dfe51703857e41e64633942efa2b8519cf845a996eff86276dd83e5bd35a6a5ff187\
                add991da1181cf1d53ae7604000100000020000073a5e3f1969f1b499b3e7fcf0b2dd6d91110dba5cee28c1f\
                cbfcc8f5b38ff0f7f4ef5dd075015067af524085078f602f0002000000200000f85d9f9964f6d31c46504c99\
                1c14f63b3d02b1749d3b90bbcab6afaa329a43f521a0d6db8e02c5ca38303fa4e28212ba0002000100200000\
                4eeb7d3b9344daad248f2abefc861685ffaa6177c529d0c925c5cbe7f640ef7b00000ab06d011d6c9be3fdf0\
                a65c31d000030000002000001a95b931277d53841cd6ef1185c52b1fe1cb04cafa4d4d2ce1f78dbb535e70bf\
                cda9265af992669f339d8eb03c39b44d820913a48e88ef757cb5c038e72b2eedb9f471145e775c469c77a414\
                5c34211cf55a848005c97e595fe0461016c1e3993c4f9c84496d1d4c1104c236a3ee9701888658932f8e3205\
                6ed76560d7746c2a6e5d631dbfc9a172c12dbe8d6654e2ac2d62f0f00d9903e26c3a225c6f027c4143f47816\
                a1b440180416ac1b75c4bfebb42c18e73fed593c257662b76b776f2d734b74f73cb30eba89693f9d74cb97d1
                """)
}

@Suite("Known answers")
struct KnownAnswerTests {
    @Test("the known envelope of suite 0x0101 opens to its fields")
    func opens() throws {
        let sealed = try SealedRecord(parsing: KnownEnvelope.aes256GCM)
        #expect(sealed.context == Fixture.context)
        #expect(sealed.kekID == 7)
        #expect(sealed.kekVersion == 1)
        #expect(sealed.fieldCount == 4)
        #expect(sealed.suite == .aes256GCM)
        let opened = try Fixture.keyring().openAll(sealed, context: Fixture.context)
        let expected = Fixture.fields
        #expect(opened.map(\.fieldID) == expected.map(\.fieldID))
        #expect(opened.map(\.occurrence) == expected.map(\.occurrence))
        #expect(opened.map(Fixture.text) == expected.map(Fixture.text))
    }

    @Test("the known envelope is reproduced byte for byte, whatever the order of the fields given")
    func reproduces() throws {
        let keyring = try Fixture.keyring()
        let kek = try keyring.activeKEK(for: Fixture.tenant)
        for fields in [Fixture.fields, Fixture.fields.reversed()] {
            let sealed = try keyring.seal(
                fields, context: Fixture.context, under: kek, random: RecordedRandom())
            #expect(sealed.bytes == KnownEnvelope.aes256GCM)
        }
    }

    @Test("suite 0x0201 parses and is refused by name, before any key is used")
    func sm4IsRefused() throws {
        let sealed = try SealedRecord(parsing: KnownEnvelope.sm4)
        #expect(sealed.suite == .sm4HMACSM3)
        #expect(sealed.context == Fixture.context)
        #expect(Fixture.refusal(of: KnownEnvelope.sm4, by: try Fixture.keyring()) == .suiteNotAllowed)
    }

    @Test("blind indexes equal those of an independent HMAC, and differ by tenant and by field")
    func blindIndex() throws {
        let keyring = try Fixture.keyring()
        let answers: [(FieldName, TenantID, String)] = [
            (.phone, Fixture.tenant, "22295af5099c11f43d4dc89c22a298eaa33e97f3478bf009c3fa52dab47fc0c4"),
            (
                .phone, Fixture.tenant(0x12),
                "57915b597b7ed8a09f7c18f73b7eb4767c03b4550ba1c3df11ecf4a885895bd2"
            ),
            (.name, Fixture.tenant, "04ba67ce87a46810240b53576e00bd4afa1fe53b28212186548685fabd583cad"),
        ]
        for (field, tenant, answer) in answers {
            let value = try keyring.blindIndex(field, Fixture.secret("+8613800138000"), tenant: tenant)
            #expect(value == BlindIndexValue(version: 1, bytes: Fixture.bytes(hex: answer)))
        }
    }
}
