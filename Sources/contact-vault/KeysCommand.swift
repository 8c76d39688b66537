// Keys at the terminal: what there is, never what they are.

import ArgumentParser
import ContactModel
import EnvelopeEncryption
import Foundation

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Look at the keyring.",
        discussion: "Example: contact-vault keys list",
        subcommands: [KeysList.self])
}

struct KeysList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List key versions with state and age; never a secret.",
        discussion: "Example: contact-vault keys list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    func run() async throws {
        try options.folder.requireVault()
        for key in try options.folder.loadKeyring(passphrase).keys {
            let reference = key.reference
            let id = reference.id == 0 ? "" : " \(reference.id)"
            let floor = key.floor.map { "\topens from version \($0)" } ?? ""
            Terminal.result(
                "\(reference.name.name)\(id)\tversion \(reference.version)\t\(key.state.name)\tmade \(key.created)\(floor)"
            )
        }
    }
}
