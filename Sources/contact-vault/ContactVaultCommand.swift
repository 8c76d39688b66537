// The one executable: the service and everything an operator, an officer or a curious client does from a terminal.
//
// Results go to standard output, messages to standard error. Exit code 0: done, 1: refused or failed, 2: usage.

import ArgumentParser
import Foundation

@main
struct ContactVaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contact-vault",
        abstract: "A vault for the phone numbers of stop-collection contacts.",
        discussion: """
            Encrypts contact records, releases a number only to an action whose access token was sealed for that \
            purpose, and writes every access down before it happens.

            Example: contact-vault init --development && contact-vault serve
            """,
        version: "0.1.0",
        subcommands: [
            InitCommand.self, ServeCommand.self, ClientCommand.self, ContactsCommand.self,
            AgencyCommand.self, ReleaseCommand.self, TokensCommand.self, OutcomesCommand.self,
            ReviewCommand.self,
            LogCommand.self,
            PolicyCommand.self,
            ApprovalsCommand.self, KeysCommand.self, BackupCommand.self,
        ])

    static func main() async {
        ProcessHardening.begin()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.message("contact-vault: \(failure.message)")
            Foundation.exit(failure.code)
        } catch let code as ExitCode {
            // The command has said what there was to say.
            Foundation.exit(code.rawValue)
        } catch  where exitCode(for: error) == .success {
            // Help and version arrive as errors.
            Swift.print(fullMessage(for: error))
        } catch  where exitCode(for: error) == .validationFailure {
            Terminal.message(fullMessage(for: error))
            Foundation.exit(2)
        } catch {
            Terminal.message("contact-vault: \(ErrorText.describe(error))")
            Foundation.exit(1)
        }
    }
}

/// A command that did not succeed, in the operator's words.
struct CommandFailure: Error {
    let message: String
    let code: Int32

    init(_ message: String, code: Int32 = 1) {
        self.message = message
        self.code = code
    }
}
