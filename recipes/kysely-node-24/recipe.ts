// The newest Kysely needs Node.js 22; the recipe is the same.
import '../kysely-node-postgres/recipe.js'
