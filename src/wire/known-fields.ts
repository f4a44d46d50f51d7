import type { DescMessage } from '@bufbuild/protobuf'
import { isReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import type { Message } from '@bufbuild/protobuf'

/**
 * The path of the first field that the schema does not know, anywhere inside a message, or
 * undefined. A stranger's field is a sign of damage or of a newer sender: neither is guessed at.
 */
export function unknownField(schema: DescMessage, message: Message, path = ''): string | undefined {
  const [stranger] = message.$unknown ?? []
  if (stranger) return `${path}#${stranger.no}`
  const fields = reflect(schema, message)
  for (const field of fields.fields) {
    if (field.fieldKind === 'list' && field.listKind === 'message') {
      let index = 0
      for (const item of fields.get(field)) {
        if (!isReflectMessage(item)) continue
        const found = unknownField(field.message, item.message, `${path}${field.name}[${index}].`)
        if (found) return found
        index += 1
      }
    } else if (field.fieldKind === 'message' && fields.isSet(field)) {
      const found = unknownField(field.message, fields.get(field).message, `${path}${field.name}.`)
      if (found) return found
    }
  }
  return undefined
}
