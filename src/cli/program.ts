import { Command } from 'commander'
import { addAccessCommands } from './access-commands.ts'
import { addCaseCommands } from './case-commands.ts'
import { addDispatchCommands } from './dispatch-commands.ts'
import { addFlagCommands } from './flag-commands.ts'
import { addFulfillmentCommands } from './fulfillment-commands.ts'
import { addGenerateCommands } from './generate-commands.ts'
import { addHealthCommands } from './health-commands.ts'
import { addImportCommands } from './import-commands.ts'
import { addLaneCommands } from './lane-commands.ts'
import { addKeyCommands } from './key-commands.ts'
import { addLabCommands } from './lab-commands.ts'
import { addOrderCommands } from './order-commands.ts'
import { addPartnerCommands } from './partner-commands.ts'
import { addRecallCommands } from './recall-commands.ts'
import { addPromiseCommands } from './promise-commands.ts'
import { addReconcileCommands } from './reconcile-commands.ts'
import { addReshipCommands } from './reship-commands.ts'
import { addReturnCommands } from './return-commands.ts'
import { addRunCommands } from './run-commands.ts'
import { addStockCommands } from './stock-commands.ts'
import { addWebhookCommands } from './webhook-commands.ts'

/** The whole command tree, as the command line runs it and `docs/reference/cli.md` shows it. */
export function holdfastProgram(): Command {
  const program = new Command('holdfast')
    .description('Order to fulfillment: shipped once or not at all, never by accident.')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`usage_invalid: ${text.replace(/^error: /, '')}`),
    })
  addRunCommands(program)
  addImportCommands(program)
  addGenerateCommands(program)
  addOrderCommands(program)
  addPromiseCommands(program)
  addReturnCommands(program)
  addHealthCommands(program)
  addStockCommands(program)
  addPartnerCommands(program)
  addDispatchCommands(program)
  addRecallCommands(program)
  addFulfillmentCommands(program)
  addReshipCommands(program)
  addReconcileCommands(program)
  addLaneCommands(program)
  addCaseCommands(program)
  addFlagCommands(program)
  addAccessCommands(program)
  addKeyCommands(program)
  addWebhookCommands(program)
  addLabCommands(program)
  return program
}
