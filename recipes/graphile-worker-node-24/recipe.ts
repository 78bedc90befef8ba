// The newest graphile-worker needs Node.js 22.18; the recipe is the same.
import '../graphile-worker/recipe.js'
